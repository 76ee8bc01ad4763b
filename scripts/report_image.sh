#!/bin/sh
# Draws docs/images/report.png, the beginning of the second suite of a report. Needs Chromium and Python with Pillow:
#
#     sh scripts/report_image.sh out/bench/report.html
set -eu
report=$(realpath "$1")
cd "$(dirname "$0")/.."
mkdir -p docs/images target
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,9000 \
  --screenshot=target/report.png "file://$report" > target/chromium.log 2>&1
python3 - <<'PYTHON'
from PIL import Image

page = Image.open("target/report.png").convert("RGB")
# The second suite begins behind the only full-width rules of the page; its first screen is enough.
top = int(__import__("os").environ.get("TOP", "120"))
image = page.crop((0, top, 1280, top + 1180)).quantize(64)
image.save("docs/images/report.png", optimize=True)
PYTHON
ls -l docs/images/report.png
