"""A browser that makes pictures of what it is shown."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = ("--enable-unsafe-swiftshader", "--disable-lcd-text", "--font-render-hinting=none")
WIDTH = 760  # of a picture, in pixels of a page
FONT = 'body { font-family: "Liberation Sans", Arial, Helvetica, sans-serif }'
LOOK = """
body { font-family: "Liberation Sans", Arial, Helvetica, sans-serif; background: var(--card); }
header, footer, .facts { display: none; }
main { padding: 0; }
section { border: none; border-radius: 0; margin: 0; padding: 16px 20px 8px; }
h2 { font-size: 1.2rem; margin: 0 0 6px; }
figure { margin: 0; }
.chart { margin-top: 6px; }
.columns { grid-template-columns: 1fr 1fr; gap: 8px 20px; margin-bottom: 8px; }
section > figure ~ figure, .columns ~ figure { margin-top: 16px; }
section > p { color: var(--quiet); font-size: 0.875rem; margin: 0 0 8px; }
figcaption h3 { font-weight: 400; font-size: 0.875rem; color: var(--quiet); }
"""


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium that is installed here, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SystemExit("pictures are made by Chromium, and there is none; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*root, *SWITCHES])
        yield chromium
        chromium.close()


@contextmanager
def opened(chromium: Any, html: str, look: str, width: int = WIDTH, sharpness: float = 2) -> Iterator[Any]:
    """A page of a report with all its charts drawn, in light colours, its style changed, without a network.

    A picture of it has `sharpness` pixels for each of the page.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(html.replace("</head>", f"<style>{look}</style></head>", 1), encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            device_scale_factor=sharpness,
            color_scheme="light",
            offline=True,
        )
        tab = context.new_page()
        tab.goto(file.as_uri())
        tab.wait_for_selector("html[data-waiting]", state="attached")
        tab.evaluate("() => ['beforeprint', 'afterprint'].forEach(name => dispatchEvent(new Event(name)))")
        tab.wait_for_timeout(500)  # fonts, and what WebGL draws
        yield tab
        context.close()
