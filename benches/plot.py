#!/usr/bin/env python3
"""Plots a result of `stentor-bench compare`: the CPU time of each server as a multiple of that of
the bare epoll loop.

    benches/plot.py benches/results/2026-11-20.json [OUTPUT.svg or OUTPUT.png]

The default output is an SVG beside the result. Needs matplotlib.
"""

import json
import pathlib
import sys

COLOURS = {"stentor": "#1f6feb", "stentor-std": "#2ea084"}
COLUMNS = 2


def label(server):
    """Returns the ratio, marked as docs/benchmarks.md explains."""
    disturbed = server["ratio"]["is_disturbed"] or server["micros"]["is_disturbed"]
    bottleneck = server["generator_was_the_bottleneck"]
    return f"{server['ratio']['value']:.2f}{'~' * disturbed}{'^' * bottleneck}"


def draw(axes, load):
    """Draws one load: a bar for each server that was measured, the first one on top."""
    servers = [server for server in load["servers"] if server["ratio"]]
    names = [server["server"] for server in servers]
    ratios = [server["ratio"]["value"] for server in servers]
    colours = [COLOURS.get(name.split(",")[0], "#a09480") for name in names]
    # Bars begin at 1, the cost of the bare loop.
    axes.barh(names, [ratio - 1 for ratio in ratios], left=1, color=colours)
    for row, server in enumerate(servers):
        axes.text(max(ratios[row], 1), row, " " + label(server), va="center", fontsize=8)
    axes.axvline(1, color="grey", linewidth=1)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_title(f"{load['group']}: {load['title']}", fontsize=9, loc="left")
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        import matplotlib
    except ImportError:
        sys.exit("plot.py needs matplotlib: pip install matplotlib")
    matplotlib.use("Agg")
    # Text stays text, and the same result gives the same SVG.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "stentor"})
    from matplotlib import pyplot

    path = pathlib.Path(sys.argv[1])
    output = sys.argv[2] if len(sys.argv) == 3 else path.with_suffix(".svg")
    result = json.loads(path.read_text())
    loads = [load for load in result["loads"] if load["in_plot"]]
    rows = -(-len(loads) // COLUMNS)
    height = 0.22 * max(len(load["servers"]) for load in loads) + 0.4
    figure, axes = pyplot.subplots(
        rows, COLUMNS, squeeze=False, sharex=True, figsize=(11, height * rows + 1), layout="constrained"
    )
    cells = axes.flatten()
    for cell, load in zip(cells, loads):
        draw(cell, load)
    for cell in cells[len(loads):]:
        cell.axis("off")
    cells[0].set_xlim(right=cells[0].get_xlim()[1] * 1.3)
    machine = f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
    title = "Server CPU per message or opened connection, as a multiple of that of a bare epoll loop"
    figure.suptitle(f"{title}\nlogarithmic; {machine}; {result['date']}, commit {result['commit']}", fontsize=10)
    pyplot.savefig(output, metadata={"Date": None} if str(output).endswith(".svg") else None)
    print(output)


if __name__ == "__main__":
    main()
