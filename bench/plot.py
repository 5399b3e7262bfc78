#!/usr/bin/env python3
"""Plots of results as SVG, by hand: no package is needed, and a browser shows them.

usage: plot.py RESULT.json TITLE > RESULT.svg
"""
import html
import json
import math
import sys

FONT = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif"'
INK, FAINT, GRID = "#1b1f24", "#6a737d", "#e1e4e8"
COLORS = {"Mobula": "#0b6fb8", "Ray C++": "#d9822b", "Ray Python": "#e8b66b", "Dask": "#9aa5b1"}
SUFFIXES = [(1e9, "G"), (1e6, "M"), (1e3, "k")]


def short(value):
    """Three digits and a suffix: 1.24M."""
    for size, suffix in SUFFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def times(ratio):
    """So many times better: x5510, x48.3."""
    return f"x{ratio:.3g}" if ratio < 100 else f"x{int(float(f'{ratio:.3g}'))}"


class Picture:
    """An SVG that grows downwards."""

    def __init__(self, width):
        self.width = width
        self.height = 0
        self.parts = []

    def text(self, x, y, words, size=13, color=INK, anchor="start", weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
            f'font-weight="{weight}" text-anchor="{anchor}" {FONT}>{html.escape(words)}</text>')

    def bar(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" '
                          f'height="{height:.1f}" fill="{color}" rx="2"/>')

    def line(self, x1, y1, x2, y2, color=GRID, width=1.0, dash=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{color}" stroke-width="{width}" stroke-dasharray="{dash}"/>')

    def render(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
                f'height="{self.height:.0f}" viewBox="0 0 {self.width} {self.height:.0f}">\n'
                f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(self.parts)
                + "\n</svg>\n")


class LogScale:
    """Powers of ten between two x."""

    def __init__(self, values, left, right):
        self.low = math.floor(math.log10(min(values)) - 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)
        self.left, self.right = left, right

    def x(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.left + min(max(share, 0), 1) * (self.right - self.left)

    def ticks(self):
        step = max(1, (self.high - self.low) // 8)
        return [10.0 ** power for power in range(self.low, self.high + 1, step)]


def wrapped(words, width):
    """`words` in lines of at most `width` characters."""
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) + 1 > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def head(picture, title, lines):
    picture.text(24, 34, title, size=18, weight="bold")
    y = 56
    for line in (part for words in lines for part in wrapped(words, 125)):
        picture.text(24, y, line, size=12.5, color=FAINT)
        y += 18
    return y


def floors(result, title):
    """How near each row is to what the machine can do: horizontal bars, 1 is the floor itself."""
    rows = [row for row in result["rows"] if row["ratio"]]
    picture = Picture(1100)
    top = head(picture, "Mobula beside the floor of its machine",
               [title, "Bars: how near a row is to the bare thing that it cannot do without, "
                "measured in the same run (1 = as fast, or as small). Right: the value, and that "
                "bare thing."])
    scale = LogScale([row["ratio"] for row in rows] + [1.0], 220, 700)
    top, step = top + 22, 26
    bottom = top + step * len(rows)
    for tick in scale.ticks():
        picture.line(scale.x(tick), top - 4, scale.x(tick), bottom)
        picture.text(scale.x(tick), top - 10, f"{tick:g}", size=11, color=FAINT, anchor="middle")
    for index, row in enumerate(rows):
        y = top + index * step
        picture.text(208, y + 16, row["row"], anchor="end")
        picture.bar(scale.left, y + 4, scale.x(row["ratio"]) - scale.left, step - 8,
                    COLORS["Mobula"])
        value = f"{short(row['value'])} {row['unit']}"
        if row["p50_us"]:
            value += f", p50 {short(row['p50_us'])} µs"
        picture.text(714, y + 16, value, weight="bold")
        picture.text(930, y + 16, row["floor_name"], size=11, color=FAINT)
    picture.line(scale.x(1.0), top - 4, scale.x(1.0), bottom, color=INK, width=1.5, dash="4 3")
    for row in (row for row in result["rows"] if not row["ratio"]):
        picture.text(208, bottom + 16, row["row"], anchor="end")
        picture.text(220, bottom + 16, f"{short(row['value'])} {row['unit']}", weight="bold")
        picture.text(300, bottom + 16, f"beside {row['floor_name']}", size=11, color=FAINT)
        bottom += step
    picture.height = bottom + 24
    return picture.render()


def compared(result):
    """Groups of bars, one a row, Mobula first; each bar says how many times better Mobula is."""
    rows = [row for row in result["rows"] if any(s["value"] for s in row["systems"].values())]
    if not rows:
        return Picture(100).render()
    systems = result["systems"]
    picture = Picture(1080)
    top = head(picture, "The same work on four systems", [
        result["title"],
        "Each bar is a speed relative to the slowest system of its group, on a scale of powers "
        "of ten: one line further is ten times better. For times, memory and processor time, "
        "longer is better too: less of it. " + result["caveat"]])
    x = 24
    for system in systems:
        picture.bar(x, top, 14, 12, COLORS[system])
        picture.text(x + 20, top + 11, system)
        x += 40 + 8.5 * len(system)
    better = {row["row"]: goodness(row) for row in rows}
    scale = LogScale([1.0, *(one for each in better.values() for one in each.values())], 190, 900)
    top, bar, gap = top + 46, 15, 14
    heights = [bar * len(better[row["row"]]) + gap for row in rows]
    bottom = top + sum(heights)
    for tick in scale.ticks():
        picture.line(scale.x(tick), top - 4, scale.x(tick), bottom)
        picture.text(scale.x(tick), top - 10, times(tick), size=11, color=FAINT,
                     anchor="middle")
    y = top
    for row, height in zip(rows, heights):
        group(picture, scale, row, better[row["row"]], y, bar)
        y += height
    picture.height = bottom + 24
    return picture.render()


def goodness(row):
    """system -> how many times better than the worst of the group."""
    values = {name: one["value"] for name, one in row["systems"].items() if one["value"]}
    if row["less_is_better"]:
        values = {name: 1 / value for name, value in values.items()}
    worst = min(values.values())
    return {name: value / worst for name, value in values.items()}


def group(picture, scale, row, better, y, bar):
    picture.text(178, y + bar * len(better) / 2 + 5, row["row"], anchor="end", weight="bold")
    for system, value in better.items():
        one = row["systems"][system]
        end = scale.x(value)
        picture.bar(scale.left, y + 1, end - scale.left, bar - 2, COLORS[system])
        words = f"{short(one['value'])} {row['unit']}"
        if ratio := one.get("mobula_is_better_by"):
            words += f" · Mobula {times(ratio)}" if ratio >= 1 else f" · {times(1 / ratio)} better"
        picture.text(end + 6, y + bar - 3, words, size=11,
                     weight="bold" if system == "Mobula" else "normal")
        y += bar


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        print(floors(json.load(file), sys.argv[2]), end="")


if __name__ == "__main__":
    main()
