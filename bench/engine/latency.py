"""The issue's table of networks: the best peer's latency by ours, bench/peers measures."""
import inference
import networks

MEANING = ("The ratio is the best peer's latency, float or int8, by ours: the median over rounds, in brackets its range. Every "
           "contender is a warm process that measures in bursts, in turns with the others, on the same processors.")

BATCH_ONE = {"resnet50": 1.1, "resnet18": 1.05, "mobilenet_v2": 1.5, "squeezenet": 1.25, "efficientnet_b0": 3, "resnet20": 1.5,
             "fastestdet": 1.5, "yunet": 1.5, "silero": 1.5, "dtln": 1.5, "minilm_1x128": 1.8, "minilm_8x128": 1.5, "minilm_1x16": 1.5}
BATCH_EIGHT = {"resnet50": 1.05, "resnet18": 1.05, "resnet20": 1.05, "mobilenet_v2": 1.15, "efficientnet_b0": 1.15}
SHARE = 99  # % of multiply-adds in integers


def told(result):
    peers = sorted((ms, name) for name, ms in result["median_ms"].items() if name != "bitwright int8")
    wins = f"; **{result['best_peer']} wins**" if result["ratio"] < 1 else ""
    return (f"{result['ratio']:.2f} ({result['ratio_least']:.2f} ... {result['ratio_most']:.2f}): ours {result['median_ms']['bitwright int8']:.3g} ms, "
            f"{', '.join(f'{name} {ms:.3g}' for ms, name in peers)}; {result['integer_share']:.1f} % in integers{wins}"
            + "".join(f"; {note}" for note in result["notes"]))


def step_of(first, second):
    """One step of DTLN runs both networks: the times of a round add up, contender by contender."""
    rounds = [{name: a[name] + b[name] for name in a if name in b} for a, b in zip(first["rounds"], second["rounds"])]
    return inference.judged(f"{first['network']} + {second['network']}", first["batch"], first["threads"], rounds,
                            min(first["integer_share"], second["integer_share"]), first["notes"] + second["notes"])


def result_of(name, batch, settings):
    if name != "dtln":
        return inference.measure(name, batch, settings, settings.work)
    return step_of(*(inference.measure(part, batch, settings, settings.work) for part in ("dtln_1", "dtln_2")))


def compare(name, batch, required, settings, lines):
    case = f"{name}, batch {batch}"
    needed = f"ratio {required}, {SHARE} % in integers"

    def measure():
        result = result_of(name, batch, settings)
        parts = "dtln_1 dtln_2" if name == "dtln" else name
        lines.add(case, needed, told(result), result["ratio"] >= required and result["integer_share"] >= SHARE,
                  f"./dev peers {parts} --batches {batch} --rounds {settings.rounds} --seconds {settings.seconds:g} --threads {settings.threads}")

    lines.attempt(case, needed, measure)


def all_of(required, batch, settings, lines):
    for name, ratio in required.items():
        if not settings.networks or name in settings.networks:
            own = networks.NETWORKS[name].batches if name in networks.NETWORKS else (1,)
            compare(name, batch or own[0], ratio, settings, lines)


def batch_one(settings, lines):
    all_of(BATCH_ONE, None, settings, lines)


def batch_eight(settings, lines):
    all_of(BATCH_EIGHT, 8, settings, lines)


def amx(settings, lines):
    if "amx_int8" not in open("/proc/cpuinfo").read():
        lines.add("resnet50 with AMX", "ratio 1.5", "this machine has no AMX", None)
        return
    compare("resnet50", 1, 1.5, settings, lines)
