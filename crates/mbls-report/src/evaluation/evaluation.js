'use strict';
// Draws as plot/reliability.rs and plot/histogram.rs do; a test compares the two.
(function () {
  const data = JSON.parse(document.getElementById('data').textContent);
  const LEFT = 40, SPAN = 250, TOP = 42, VISIBLE = 5e-4, UNITS = Math.pow(2, 60), ABSENT = '\u2013';

  // Rust rounds ties of the exact binary value to even, toFixed rounds them up.
  function fixed(value, digits) {
    const exact = Math.abs(value).toFixed(60), end = exact.indexOf('.') + 1 + digits;
    let text = Math.abs(value).toFixed(digits);
    if (/^50*$/.test(exact.slice(end))) {
      const below = digits ? exact.slice(0, end) : exact.slice(0, end - 1);
      if (Number(below[below.length - 1]) % 2 === 0) text = below;
    }
    return /[1-9]/.test(text) && value < 0 ? '\u2212' + text : text;
  }
  const coordinate = v => {
    let text = fixed(v, 2).replace('\u2212', '-');
    return text.replace(/0+$/, '').replace(/\.$/, '');
  };
  const signed = (v, d) => { const text = fixed(v, d); return v > 0 && /[1-9]/.test(text) ? '+' + text : text; };
  const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  const counted = (n, noun) => count(n) + ' ' + noun + (n === 1 ? '' : 's');
  const rect = (c, x, w, top, bottom) => '<rect class="' + c + '" x="' + coordinate(x) + '" y="' + coordinate(top) +
    '" width="' + coordinate(w) + '" height="' + coordinate(bottom - top) + '"/>';
  const line = (c, x1, y1, x2, y2) => '<line class="' + c + '" x1="' + coordinate(x1) + '" y1="' + coordinate(y1) +
    '" x2="' + coordinate(x2) + '" y2="' + coordinate(y2) + '"/>';

  // The edges of torch.linspace(0, 1, bins + 1) in f32.
  function widthEdges(bins) {
    const step = Math.fround(1 / bins), edges = [];
    for (let i = 0; i <= bins; i++)
      edges.push(i < Math.ceil(bins / 2) ? Math.fround(step * i) : Math.fround(1 - step * (bins - i)));
    return edges;
  }

  // Quantiles with linear interpolation, exact in units of 2^-60 / bins.
  function massEdges(groups, bins) {
    const n = groups.reduce((sum, group) => sum + group[1], 0), wide = BigInt(bins);
    const units = groups.map(group => BigInt(Math.round(group[0] * UNITS)));
    const at = index => {
      let before = 0;
      for (let i = 0; i < groups.length; i++) { before += groups[i][1]; if (index < before) return units[i]; }
      return units[units.length - 1];
    };
    const edges = [];
    for (let k = 0; k <= bins; k++) {
      const index = Math.floor(k * n / bins), rest = k * n - index * bins;
      const low = at(Math.min(index, n - 1)), high = at(Math.min(index + 1, n - 1));
      edges.push(index + 1 >= n ? low * wide : low * wide + (high - low) * BigInt(rest));
    }
    return { edges: edges, values: edges.map(edge => Number(edge) / UNITS / bins), units: units, wide: wide };
  }

  function binsOf(groups, binning, bins) {
    const mass = binning === 'equal-mass' ? massEdges(groups, bins) : null;
    const edges = mass ? mass.values : widthEdges(bins), found = [];
    for (let b = 0; b < bins; b++) found.push({ lower: edges[b], upper: edges[b + 1], count: 0, sum: 0, correct: 0 });
    let b = 0;
    groups.forEach((group, i) => {
      while (b < bins - 1 && (mass ? mass.units[i] * mass.wide > mass.edges[b + 1] : group[0] > edges[b + 1])) b++;
      found[b].count += group[1]; found[b].sum += group[0] * group[1]; found[b].correct += group[2];
    });
    found.forEach(bin => {
      bin.confidence = bin.count ? bin.sum / bin.count : null;
      bin.accuracy = bin.count ? bin.correct / bin.count : null;
      bin.gap = bin.accuracy - bin.confidence;
    });
    return found;
  }

  const range = bin => 'Confidence ' + fixed(bin.lower * 100, 1) + ' to ' + fixed(bin.upper * 100, 1) + ' %: ' + counted(bin.count, 'sample');
  const tooltip = bin => range(bin) + ', accuracy ' + fixed(bin.accuracy * 100, 1) + ' %, mean confidence ' +
    fixed(bin.confidence * 100, 1) + ' %, gap ' + signed(bin.gap * 100, 1) + ' points';

  function extent(bin) {
    const width = (bin.upper - bin.lower) * SPAN, space = Math.min(width * 0.08, 1);
    return [LEFT + bin.lower * SPAN + space / 2, width - space];
  }

  function drawReliability(svg, bins, all, n) {
    const y = v => TOP + (1 - v) * SPAN, bottom = TOP + SPAN;
    svg.querySelector('.bins').innerHTML = '\n' + bins.map(bin => {
      const e = extent(bin), accuracy = y(bin.accuracy), confidence = y(bin.confidence);
      return '<g><title>' + tooltip(bin) + '</title>' + rect('bar', e[0], e[1], accuracy, bottom) +
        (bin.gap <= -VISIBLE ? rect('over', e[0], e[1], confidence, accuracy)
          : bin.gap >= VISIBLE ? rect('under', e[0], e[1], accuracy, confidence) : '') +
        line('level', e[0], accuracy, e[0] + e[1], accuracy) + '</g>\n';
    }).join('');
    let counts = '\n';
    if (bins.length && bins.every(bin => (bin.upper - bin.lower) * SPAN >= 9)) {
      for (const bin of bins) {
        const x = coordinate(LEFT + (bin.lower + bin.upper) / 2 * SPAN + 3), top = coordinate(TOP - 4);
        counts += '<text class="count" x="' + x + '" y="' + top + '" transform="rotate(-90 ' + x + ' ' + top + ')">' + count(bin.count) + '</text>\n';
      }
      counts += '<text class="tick end" x="' + coordinate(LEFT - 5) + '" y="' + coordinate(TOP - 16) + '">n</text>\n';
    }
    svg.querySelector('.counts').innerHTML = counts;
    let text = counted(n, 'sample') + ' in ' + counted(all, 'bin') + ', ' + bins.length + ' of them with samples: overconfident in ' +
      bins.filter(bin => bin.gap <= -VISIBLE).length + ', underconfident in ' + bins.filter(bin => bin.gap >= VISIBLE).length + '.';
    if (bins.length)
      text += ' Largest gap: ' + tooltip(bins.reduce((a, b) => Math.abs(b.gap) > Math.abs(a.gap) ? b : a)) + '.';
    svg.querySelector('desc').textContent = text;
  }

  function drawHistogram(svg, bins, n) {
    const y = v => 8 + (1 - v) * 80;
    const mean = key => Math.min(bins.reduce((sum, bin) => sum + bin.count * bin[key], 0) / n, 1);
    svg.querySelector('.bins').innerHTML = '\n' + bins.map(bin => {
      const e = extent(bin), share = Math.min(bin.count / n, 1);
      return '<g><title>' + range(bin) + ', ' + fixed(share * 100, 1) + ' %</title>' + rect('share', e[0], e[1], y(share), 88) + '</g>\n';
    }).join('') + [['mean-accuracy', 'accuracy'], ['mean-confidence', 'confidence']].map(pair => {
      const x = LEFT + mean(pair[1]) * SPAN;
      return line(pair[0], x, 8, x, 88) + '\n';
    }).join('');
    svg.querySelector('desc').textContent = counted(n, 'sample') + ', mean confidence ' + fixed(mean('confidence') * 100, 1) +
      ' %, accuracy ' + fixed(mean('accuracy') * 100, 1) + ' %.';
  }

  const quoted = text => /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;

  function redraw(section, groups, binning, count_) {
    const all = binsOf(groups, binning, count_), n = groups.reduce((sum, group) => sum + group[1], 0);
    const bins = all.filter(bin => bin.count > 0 && bin.lower < bin.upper);
    const filled = all.filter(bin => bin.count > 0);
    const svgs = section.querySelectorAll('.reliability > svg');
    drawReliability(svgs[0], bins, all.length, n);
    drawHistogram(svgs[1], bins, n);
    const ece = filled.reduce((sum, bin) => sum + bin.count * Math.abs(bin.gap), 0) / n;
    const mce = filled.reduce((most, bin) => Math.max(most, Math.abs(bin.gap)), 0);
    section.querySelector('.binned').textContent = count_ + ' bins of ' + binning.replace('-', ' ');
    section.querySelector('.numbers').textContent = 'n ' + count(n) + ', ECE ' + fixed(ece * 100, 2) + ' %, MCE ' + fixed(mce * 100, 1) + ' %';
    section.querySelector('.bin-rows').innerHTML = '\n' + filled.map(bin =>
      '<tr><td data-value="' + bin.lower + '">' + fixed(bin.lower * 100, 2) + ' to ' + fixed(bin.upper * 100, 2) + '</td><td data-value="' +
      bin.count + '">' + count(bin.count) + '</td><td>' + fixed(bin.confidence * 100, 2) + '</td><td>' + fixed(bin.accuracy * 100, 2) + '</td></tr>\n').join('');
    const name = quoted(section.querySelector('h2').textContent);
    const csv = 'model,binning,lower,upper,count,mean_confidence,accuracy\r\n' + all.map(bin =>
      [name, binning, bin.lower, bin.upper, bin.count, bin.count ? bin.confidence : '', bin.count ? bin.accuracy : ''].join(',') + '\r\n').join('');
    section.querySelector('.download.bins a').href = 'data:text/csv;charset=utf-8,' + encodeURIComponent(csv);
  }

  // Redrawing, and the page as computed to return to.
  const form = document.getElementById('controls');
  if (form) {
    const parts = '.reliability, .bin-rows, .download.bins';
    const sections = Array.from(document.querySelectorAll('section.model')).filter(section => data.models[section.dataset.model]);
    const computed = sections.map(section => Array.from(section.querySelectorAll(parts), part => part.innerHTML));
    const bins = document.getElementById('bins'), binning = document.getElementById('binning');
    const change = () => {
      leave();
      const wanted = Number(bins.value);
      if (!Number.isInteger(wanted) || wanted < 1 || (wanted > Number(bins.max) && wanted !== data.bins)) return;
      sections.forEach((section, i) => {
        if (wanted === data.bins && binning.value === data.binning)
          section.querySelectorAll(parts).forEach((part, p) => { part.innerHTML = computed[i][p]; });
        else redraw(section, data.models[section.dataset.model], binning.value, wanted);
        section.querySelectorAll('.numbers-of-bins th').forEach(head => head.removeAttribute('aria-sort'));
      });
    };
    form.hidden = false;
    form.addEventListener('input', change);
    form.addEventListener('submit', event => event.preventDefault());
    document.getElementById('reset').addEventListener('click', () => { bins.value = data.bins; binning.value = data.binning; change(); });
  }

  // The bin under the pointer, anywhere in its column.
  const tip = document.getElementById('tip');
  let lit = null;
  const leave = () => {
    tip.hidden = true;
    if (lit) { lit.classList.remove('lit'); lit.querySelector('title').textContent = tip.textContent; }
    lit = null;
  };
  document.addEventListener('pointerdown', event => { if (!event.target.closest('figure svg')) leave(); });
  document.querySelectorAll('figure').forEach(figure => {
    const show = event => {
      const svg = event.target.closest('svg');
      if (!svg) return leave();
      const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * 300;
      const bin = Array.from(svg.querySelectorAll('.bins > g')).find(of => {
        const first = of.querySelector('rect');
        return first && x >= +first.getAttribute('x') - 0.5 && x <= +first.getAttribute('x') + +first.getAttribute('width') + 0.5;
      });
      leave();
      if (!bin) return;
      lit = bin; bin.classList.add('lit');
      // Empty meanwhile, so that the browser does not show it too.
      tip.textContent = bin.querySelector('title').textContent;
      bin.querySelector('title').textContent = '';
      tip.hidden = false;
      const size = tip.getBoundingClientRect();
      tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - size.width - 8)) + 'px';
      tip.style.top = (event.clientY + 16 + size.height > innerHeight ? event.clientY - size.height - 12 : event.clientY + 16) + 'px';
    };
    figure.addEventListener('pointermove', show);
    figure.addEventListener('pointerdown', show);
    figure.addEventListener('pointerleave', event => { if (event.pointerType === 'mouse') leave(); });
  });

  // Tables sorted by a column.
  document.querySelectorAll('table').forEach(table => {
    const heads = table.querySelectorAll('thead th');
    const key = cell => {
      const text = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.replace(/^\[/, '').replace('\u2212', '-').replace(/,(?=\d{3})/g, '');
      return text.trim() === ABSENT ? null : isFinite(parseFloat(text)) && cell.tagName === 'TD' ? parseFloat(text) : text;
    };
    heads.forEach((head, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const down = head.getAttribute('aria-sort') === 'ascending', body = table.tBodies[0];
        heads.forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const rows = Array.from(body.rows, row => [key(row.cells[column]), row]);
        rows.sort((one, two) => {
          const a = one[0], b = two[0];
          if (a === null || b === null) return (a === null) - (b === null);
          const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
          return down ? -order : order;
        });
        body.append(...rows.map(row => row[1]));
      });
    });
  });
})();
