#!/bin/sh
# Draws docs/images/report.png, the first screen of a report. Needs Chromium and Python with Pillow:
#
#     cargo xtask bench digits-noisy
#     sh scripts/report_image.sh out/bench/report.html
set -eu
report=$(realpath "$1")
cd "$(dirname "$0")/.."
mkdir -p docs/images target
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,2000 \
  --screenshot=target/report.png "file://$report" > target/chromium.log 2>&1
python3 - <<'PYTHON'
from PIL import Image

page = Image.open("target/report.png").convert("RGB")
image = page.crop((0, 0, 1280, 1740)).quantize(256)
image.save("docs/images/report.png", optimize=True)
PYTHON
ls -l docs/images/report.png
