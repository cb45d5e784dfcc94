"""Runs and pages for the tests: arms on disk, a page of them, a browser that opens it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.arms import Arm
from btr_tm.report.html.model import Cell, Forest, ForestRow, Page, Part, Row, Table, Whisker
from btr_tm.report.html.page import render
from btr_tm.report.reading import read_arms

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=3000",
)  # fmt: skip
HOSTILE = "</script><script>document.title='broken'</script>\"'<b>&amp;"


def write_run(folder: Path, seed: int = 0, heights=(0.0, 0.5, 1.0), times=(None, 30.0, 25.0), **more) -> Path:
    """A run with one evaluation for each height; times are canonical ones, None where not finished."""
    folder.mkdir(parents=True)
    rows = []
    for i, (height, time_s) in enumerate(zip(heights, times, strict=True), 1):
        row = {"frames": 1000 * i, "updates": 10 * i, "cpu_s": 2.0 * i, "wall_s": 3.0 * i}
        row |= {"eval/progress_mean": height, "eval/finish_rate": height, "learner/loss": 1.0 / i}
        rows.append(row | ({} if time_s is None else {"eval/canonical_time_s": time_s}))
    (folder / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = {"seed": seed, "name": "test", "track": {"name_or_path": "a01"}, **more}
    manifest = {"run_id": str(seed), "seed": seed, "config": config, "sessions": []}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "summary.json").write_text("{}", encoding="utf-8")
    return folder


def keep_race(run: Path, presses: str = "0.00-1.50 press up\n", time_ms: int = 0) -> None:
    """The best race of a run, a short one."""
    (run / "best").mkdir()
    text = f"# track: a01\n# physics: 1\n# time_ms: {time_ms}\n# ticks: 150\n{presses}"
    (run / "best" / "race.inputs").write_text(text, encoding="utf-8")
    InputsFile.read(run / "best" / "race.inputs")


def arms_of(folder: Path, races: bool = True) -> list[Arm]:
    """Two arms; the first has two seeds, the second one seed with another setting."""
    runs = [
        write_run(folder / "base" / "s0"),
        write_run(folder / "base" / "s1", 1, heights=(0.1, 0.6, 0.9)),
        write_run(folder / "plain" / "s0", heights=(0.0, 0.2, 0.4), times=(None, None, None), gamma=0.9),
    ]
    if races:
        keep_race(runs[0])
        keep_race(runs[2], "0.00-1.50 press up\n0.20-0.60 press left\n")
    return read_arms([str(folder)]).arms


def page_of(arms: list[Arm]) -> Page:
    """A page with one of everything; the second arm has no time."""
    rows = tuple(
        Row(arm.label, i, (Cell(f"{30 - i}.00", 30 - i) if i != 1 else Cell("never", None),))
        for i, arm in enumerate(arms)
    )
    whisker = Whisker(40.0, 30.0, 50.0, "0.1 [0.0, 0.2]")
    effects = (
        ForestRow(Row("IMPALA", -1, (Cell("helps", "helps"),)), -0.1, (whisker,), "helps", "plain - base"),
    )
    forest = Forest("Removing", "ingredient", "difference", ("verdict",), 50.0, ((0.0, "-1"),), effects)
    parts = (Part(1, arms[1].label, arms[0].label, "one setting", ("gamma: absent -> 0.9",)),)
    table = Table("Figures", ("best time (s)",), rows)
    return Page("A sweep", "The answer.", (table,), (forest,), parts, ("A limit.",), ())


def html_of(arms: list[Arm]) -> str:
    return render(page_of(arms), arms)


def browser() -> str:
    """The program, or the test is skipped."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.skip("no Chromium on the PATH")


def allowed(page: str, script: str) -> str:
    """The page with one more script, which its policy lets through."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = page.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return page.replace("</body>", f"<script>{script}</script></body>")


def opened(page: str, folder: Path, script: str, *flags: str):
    """What `script`, an expression, finds in the page after it was loaded."""
    program = browser()
    folder.mkdir(exist_ok=True)
    script = (
        "addEventListener('load', () => { const pre = document.createElement('pre'); pre.id = 'found';"
        f"pre.textContent = btoa(unescape(encodeURIComponent(JSON.stringify({script}))));"
        "document.body.append(pre); });"
    )
    (folder / "page.html").write_text(allowed(page, script), encoding="utf-8")
    command = [program, *QUIET, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    process = subprocess.Popen(
        [*command, (folder / "page.html").as_uri()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        dumped, problems = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("the browser has said nothing for five minutes")
    found = re.search(r'<pre id="found">([\w+/=]*)</pre>', dumped)
    assert found, problems[-2000:]
    return json.loads(base64.b64decode(found[1]))
