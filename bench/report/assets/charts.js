// Draws the charts of a report with uPlot: data from #charts, one box per chart. Colours and dashes come from the styles, so
// that a chart follows light and dark.
const charts = JSON.parse(document.getElementById('charts').textContent)
const QUANTILES = [2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7]
const NARROW = 420
const POINTS_SHOWN_MAX = 12
const POWERS_OF_TWO = Array.from({ length: 45 }, (_, at) => 2 ** at)

function digits(value) {
  return value >= 100
    ? Math.round(value).toLocaleString('en-US')
    : `${Number(value.toPrecision(3))}`
}

function scaled(...steps) {
  return (value) => {
    const [size, unit] = steps.find(([least]) => value >= least) ?? steps.at(-1)
    return `${digits(value / size)}${unit}`
  }
}

const FORMATS = {
  seconds: (value) => `${digits(value)} s`,
  micros: scaled([1e6, ' s'], [1e3, ' ms'], [1, ' µs']),
  count: scaled([1e9, ' G'], [1e6, ' M'], [1e3, ' k'], [1, '']),
  bytes: scaled([2 ** 30, ' GiB'], [2 ** 20, ' MiB'], [1024, ' KiB'], [1, ' B']),
  times: (value) => `${digits(value)} ×`,
  quantile: (value) => `${Number((100 - 100 / value).toPrecision(9))} %`,
}

function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

function splitsOf(chart) {
  if (chart.x.format === 'quantile') {
    return (u) => {
      const shown = QUANTILES.filter((value) => value <= u.scales.x.max)
      return u.width < NARROW ? shown.filter((value) => value !== 2 && value !== 1e6) : shown
    }
  }
  const xs = [...new Set(chart.lines.flatMap(({ points }) => points.map(([x]) => x)))]
  return xs.length > POINTS_SHOWN_MAX ? undefined : () => xs.sort((a, b) => a - b)
}

function axis(side, splits, grid) {
  return {
    stroke: styled('--muted'),
    font: '11px system-ui, sans-serif',
    values: (_, found) => found.map((value) => (value === null ? '' : FORMATS[side.format](value))),
    grid: { stroke: styled('--line'), width: 1, show: grid },
    ticks: { stroke: styled('--line'), width: 1, size: 4 },
    gap: 4,
    ...(side.format === 'bytes' ? { incrs: POWERS_OF_TWO } : {}),
    ...(splits === undefined ? {} : { splits, filter: (_, found) => found }),
  }
}

function series({ name, colour }, few) {
  return {
    label: name,
    stroke: styled(`--c-${colour}`),
    width: colour === 0 ? 2.25 : 1.5,
    dash: styled(`--d-${colour}`).split(' ').map(Number).filter(Boolean),
    spanGaps: true,
    points: { show: few, size: 6, fill: styled(`--c-${colour}`) },
  }
}

/** Powers of ten; between them a log axis has no lines. */
function decades(_, __, least, most) {
  const first = Math.ceil(Math.log10(least) - 1e-9)
  const count = Math.floor(Math.log10(most) + 1e-9) - first + 1
  return Array.from({ length: count }, (___, at) => 10 ** (first + at))
}

/** Behind everything: the time from x to x in which nothing or little went on. */
function shade(bands) {
  return (u) => {
    const { left, top, width, height } = u.bbox
    u.ctx.save()
    u.ctx.fillStyle = styled('--stall')
    for (const [from, to] of bands) {
      const x = Math.max(left, u.valToPos(from, 'x', true))
      const end = Math.min(left + width, u.valToPos(to, 'x', true))
      u.ctx.fillRect(x, top, Math.max(end - x, devicePixelRatio), height)
    }
    u.ctx.restore()
  }
}

/** The figures below the pointer, in words. */
function tell(chart, readout) {
  return (u) => {
    const at = u.cursor.idx
    if (at === null || at === undefined) {
      readout.textContent = ''
      return
    }
    const values = chart.lines.map(({ name }, line) => {
      const value = u.data[line + 1]
        .slice(0, at + 1)
        .findLast((one) => one !== null && one !== undefined)
      return value === undefined ? '' : ` · ${name} ${FORMATS[chart.y.format](value)}`
    })
    readout.textContent = FORMATS[chart.x.format](u.data[0][at]) + values.join('')
  }
}

function draw(box, chart) {
  const readout = document.createElement('div')
  readout.className = 'readout'
  const log = { distr: 3, log: 10 }
  const few = chart.lines.every(({ points }) => points.length <= POINTS_SHOWN_MAX)
  const fromZero = { range: (_, __, most) => [0, chart.yMax ?? most * 1.05] }
  const data = uPlot.join(
    chart.lines.map(({ points }) => [points.map(([x]) => x), points.map(([, y]) => y)]),
  )
  const options = {
    width: Math.max(1, box.clientWidth),
    height: chart.height,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: {
        time: false,
        range: (_, least, most) => [chart.x.scale === 'log' ? least : Math.min(0, least), most],
        ...(chart.x.scale === 'log' ? log : {}),
      },
      y: chart.y.scale === 'log' ? log : fromZero,
    },
    axes: [
      { ...axis(chart.x, splitsOf(chart), false), size: 28 },
      { ...axis(chart.y, chart.y.scale === 'log' ? decades : undefined, true), size: 58 },
    ],
    series: [{}, ...chart.lines.map((line) => series(line, few))],
    hooks: { drawClear: [shade(chart.bands ?? [])], setCursor: [tell(chart, readout)] },
  }
  box.replaceChildren()
  const plot = new uPlot(options, data, box)
  box.append(readout)
  return plot
}

for (const box of document.querySelectorAll('[data-chart]')) {
  const chart = charts[Number(box.dataset.chart)]
  let plot = draw(box, chart)
  new ResizeObserver(() => {
    // 0: inside something folded.
    if (box.clientWidth > 0 && box.clientWidth !== plot.width)
      plot.setSize({ width: box.clientWidth, height: chart.height })
  }).observe(box)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    plot.destroy()
    plot = draw(box, chart)
  })
}
