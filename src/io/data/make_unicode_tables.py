#!/usr/bin/env python3
"""Writes unicode_tables.inc from Python's unicodedata (the Unicode Character Database).

    python3 make_unicode_tables.py > unicode_tables.inc

kDropped: categories Cc (but tab, line feed, carriage return), Cf, Co, Cs, and U+0000, U+FFFD. kPunctuation: categories P*
and the ASCII symbols that BERT counts as such. kFolded: characters whose canonical decomposition without nonspacing marks
(Mn), lowercased, is another string; runs of equal difference are one row {first, last, step, difference}; others give
offset and length in kFoldedText. Hangul syllables are left to arithmetic.
"""
import unicodedata


def category(c):
    return unicodedata.category(chr(c))


def dropped(c):
    return c in (0, 0xFFFD) or (c not in (9, 10, 13) and category(c) in ("Cc", "Cf", "Co", "Cs"))


def punctuation(c):
    return category(c).startswith("P") or 33 <= c <= 47 or 58 <= c <= 64 or 91 <= c <= 96 or 123 <= c <= 126


def fold(c):
    marks_gone = (x for x in unicodedata.normalize("NFD", chr(c)) if category(ord(x)) != "Mn")
    return "".join(x.lower() for x in marks_gone)


def ranges(member):
    out = []
    for c in range(0x110000):
        if not member(c):
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def print_rows(name, kind, rows):
    print(f"constexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        text = " {" + ", ".join(str(x) for x in row) + "}," if isinstance(row, (list, tuple)) else f" {row},"
        if len(line) + len(text) > 118:
            print(line)
            line = "   "
        line += text
    print(line)
    print("};")


runs, texts, pool = [], [], []
for c in range(0x110000):
    if 0xAC00 <= c <= 0xD7A3 or 0xD800 <= c <= 0xDFFF or dropped(c):
        continue
    folded = fold(c)
    if folded == chr(c):
        continue
    if len(folded) == 1:
        difference = ord(folded) - c
        if runs and runs[-1][3] == difference:
            run = runs[-1]
            gap = c - run[1]
            if gap == run[2] or (run[0] == run[1] and gap in (1, 2)):
                run[1], run[2] = c, gap
                continue
        runs.append([c, c, 1, difference])
    else:
        texts.append([c, len(pool), len(folded)])
        pool += [ord(x) for x in folded]

print(f"// Made by make_unicode_tables.py from the Unicode Character Database {unicodedata.unidata_version}.")
print_rows("kDropped", "Range", ranges(dropped))
print_rows("kPunctuation", "Range", ranges(punctuation))
print_rows("kFoldedRuns", "FoldedRun", runs)
print_rows("kFoldedTexts", "FoldedText", texts)
print_rows("kFoldedText", "char32_t", pool)
