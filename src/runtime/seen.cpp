// Values that lie in other buffers, and how they come to lie side by side, in the order that a rule asks for.
#include <algorithm>
#include <numeric>

#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

std::vector<int64_t> in_order_of(size_t rank) {
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

/// Axes of [N,...,C] in [N,C,...].
std::vector<int64_t> to_channels_last(size_t rank) {
  auto axes = in_order_of(rank);
  std::rotate(axes.begin() + 1, axes.begin() + 2, axes.end());
  return axes;
}

std::vector<int64_t> to_channels_first(size_t rank) {
  auto axes = in_order_of(rank);
  std::rotate(axes.begin() + 1, axes.end() - 1, axes.end());
  return axes;
}

bool has_places(const Tensor& t) {
  return !t.empty() && t.elements() > 0 && t.dtype() != DType::string && bits_of(t.dtype()) >= 8 && bits_of(t.dtype()) <= 64;
}

/// All of a buffer, with plain axes.
MemoryView whole(const Tensor& tensor, Order order) {
  const MemoryView view = MemoryView::dense(tensor.shape());
  return order == Order::plain ? view : view.permuted(to_channels_first(tensor.shape().size()));
}

}  // namespace

Order Lowering::Form::nearest(Order wanted) const {
  if ((*this)[wanted] != kNoBuffer) return wanted;
  if ((*this)[other(wanted)] != kNoBuffer || !seen) return other(wanted);
  return seen->view.runs_along_channels() ? Order::channels_last : Order::plain;
}

std::optional<Seen> Lowering::seen(const Form& form) const {
  if (form.seen) return *form.seen;
  const Order order = form.nearest(Order::plain);
  const Tensor& tensor = described(form[order]);
  return has_places(tensor) ? std::optional(Seen{form[order], whole(tensor, order)}) : std::nullopt;
}

BufferId Lowering::gather(const Seen& from, Order order) {
  const MemoryView view = order == Order::plain ? from.view : from.view.permuted(to_channels_last(from.view.shape().size()));
  const Buffer& source = plan_.buffers[static_cast<size_t>(from.buffer)];
  const DType type = source.tensor.dtype();
  const int64_t bytes = bits_of(type) / 8;
  const bool placed = source.kind == Buffer::arena || source.kind == Buffer::alias;
  if (placed && view.is_dense()) return view.shape() == source.tensor.shape() && view.offset() == 0
                                            ? from.buffer
                                            : make_alias(from.buffer, view.shape(), view.offset() * bytes);
  const BufferId to = make(type, view.shape());
  Step& step = add(move_step({{{from.buffer, view}, strides_of(view.shape()), 0}}, to, bytes, isa()));
  step.info.name = "(copy)";
  return to;
}

BufferId Lowering::make_alias(BufferId of, Shape shape, int64_t bytes) {
  const Buffer& source = plan_.buffers[static_cast<size_t>(of)];
  const bool again = source.kind == Buffer::alias;
  Buffer part;
  part.kind = Buffer::alias;
  part.tensor = Tensor::described(source.tensor.dtype(), std::move(shape));
  part.root = again ? source.root : of;
  part.offset = bytes + (again ? source.offset : 0);
  plan_.buffers.push_back(std::move(part));
  return static_cast<BufferId>(std::ssize(plan_.buffers) - 1);
}

Seen Lowering::make_seen(DType type, const Shape& shape, Order order) {
  const BufferId buffer = make(type, order == Order::plain ? shape : channels_last_shape(shape));
  return {buffer, whole(described(buffer), order)};
}

/// Whether a value sees a buffer in any form but this one: a view of it knows where its elements lie now.
bool Lowering::is_seen_elsewhere(BufferId id, const Form& form) const {
  const auto sees = [&](const Form& other) {
    if (&other == &form) return false;
    return other[Order::plain] == id || other[Order::channels_last] == id || (other.seen && other.seen->buffer == id);
  };
  const auto any = [&](const Forms& forms) { return sees(forms.raw) || sees(forms.floats) || sees(forms.codes); };
  const auto second = [](const auto& predicate) { return [&predicate](const auto& entry) { return predicate(entry.second); }; };
  return std::any_of(forms_.begin(), forms_.end(), second(any)) || std::any_of(site_forms_.begin(), site_forms_.end(), second(any)) ||
         std::any_of(run_time_forms_.begin(), run_time_forms_.end(), second(sees));
}

bool Lowering::write_codes_into(const Node& node, size_t i, const Seen& place) {
  Form& form = codes_form(node, i, Order::channels_last);
  const BufferId id = form[Order::channels_last];
  if (form.seen || form[Order::plain] != kNoBuffer || id == kNoBuffer) return false;
  Buffer& buffer = plan_.buffers[static_cast<size_t>(id)];
  if (buffer.kind != Buffer::arena || is_seen_elsewhere(id, form)) return false;
  Step* maker = nullptr;
  for (const auto& step : plan_.steps) {
    if (std::count(step->reads.begin(), step->reads.end(), id) > 0) return false;
    if (std::count(step->writes.begin(), step->writes.end(), id) > 0) maker = step.get();
  }
  const auto shares = [&](const Buffer& other) { return other.root == id; };
  if (!maker || !maker->can_stride || std::any_of(plan_.buffers.begin(), plan_.buffers.end(), shares)) return false;
  maker->row_stride = described(place.buffer).dim(-1);
  buffer.kind = Buffer::alias;
  buffer.root = place.buffer;
  buffer.offset = place.view.offset() * (bits_of(buffer.tensor.dtype()) / 8);
  form[Order::channels_last] = kNoBuffer;
  form.seen = std::make_shared<const Seen>(place);
  return true;
}

/// The buffer of an existing form in the wanted order, copied together if it exists otherwise only.
BufferId Lowering::in_order(Form& form, Order order) {
  if (form[order] != kNoBuffer) return form[order];
  if (const auto from = seen(form)) return form[order] = gather(*from, order);
  const Tensor& other = described(form[Form::other(order)]);
  BW_CHECK(other.elements() == 0 && other.rank() >= 2);
  Shape shape = other.shape();
  if (order == Order::channels_last) shape = channels_last_shape(shape);
  else std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return form[order] = make(other.dtype(), shape);
}

}  // namespace bitwright
