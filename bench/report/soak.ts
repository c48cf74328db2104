// A soak over time: throughput and its holes, what waits, space beside what lives, memory, the event loop; and what it
// is held to.
import type { RunRecord } from '../output/record.ts'
import {
  BESIDE_BUDGET_BYTES,
  loadSeconds,
  meanRate,
  rateOfPoint,
  SLOWEST_SHARE,
  SPACE_IDLE,
  SPACE_PEAK,
  soakFindings,
} from '../soak/bounds.ts'
import type { SoakCourse, SoakPoint } from '../soak/protocol.ts'
import { type Axis, type ChartSheet, type Line, type Point, swatch } from './charts.ts'
import { type Content, dataTable, html, type Markup } from './html.ts'
import { bytes } from './numbers.ts'

const HEIGHT = 220
const X: Axis = { label: 'seconds', scale: 'linear', format: 'seconds' }
const COUNT: Axis = { label: '', scale: 'linear', format: 'count' }
const BYTES: Axis = { label: '', scale: 'linear', format: 'bytes' }
const DIGITS = 5

interface Drawing {
  readonly title: string
  readonly y: Axis
  readonly lines: readonly Line[]
  readonly bands?: readonly Point[]
  readonly words: string
}

export function soak({ soak: course, sections }: RunRecord, sheet: ChartSheet): Markup {
  if (course === undefined) return html``
  const figures = drawings(course).map(({ title, y, lines, bands = [], words }) => {
    const box = sheet.add(title, { lines, x: X, y, bands, height: HEIGHT })
    return html`<figure><figcaption>${title}</figcaption><p class="told">${words}${legend(lines)}</p>${box}</figure>`
  })
  const rows = soakFindings(course).map(({ what, measured, bound, verdict }): Content[] => [
    what,
    html`<b>${measured}</b>`,
    bound,
    verdict,
  ])
  const mistakes = course.mistakes.map((mistake) => html`<li>${mistake}</li>`)
  return html`<section><h2>Second by second</h2>
<p class="about">${sections[0]?.note ?? ''}</p>
${dataTable('What it is held to', ['', 'measured', 'bound', ''], rows)}
${mistakes.length === 0 ? '' : html`<h3>Wrong answers</h3><ul>${mistakes}</ul>`}
<div class="cards wide">${figures}</div></section>`
}

/** Only where a chart has more lines than one. */
function legend(lines: readonly Line[]): Markup {
  const named = lines.flatMap(({ name, colour }) =>
    colour === 'ideal' ? [] : [html` ${swatch(colour)} ${name}`],
  )
  return named.length < 2 ? html`` : html`${named}`
}

function round(value: number): number {
  return Number(value.toPrecision(DIGITS))
}

function drawings(course: SoakCourse): readonly Drawing[] {
  const { points, baseBytes, memoryBudget } = course
  const line = (
    name: string,
    colour: Line['colour'],
    pick: (point: SoakPoint) => number,
  ): Line => ({
    name,
    colour,
    points: points.map((point) => [round(point.seconds), round(pick(point))]),
  })
  const most = (pick: (point: SoakPoint) => number): number => Math.max(...points.map(pick))
  const perSecond = ({ ms }: SoakPoint, value: number): number => (value / ms) * 1_000
  const memoryMost = baseBytes + memoryBudget + BESIDE_BUDGET_BYTES
  return [
    {
      title: 'operations per second',
      y: COUNT,
      lines: [line('operations', 0, rateOfPoint)],
      bands: holes(course),
      words: `Shaded: seconds of the load below ${SLOWEST_SHARE * 100} % of its mean.`,
    },
    {
      title: 'writers waited, ms of each second',
      y: COUNT,
      lines: [line('waited', 0, (point) => perSecond(point, point.waitedMs))],
      words: 'Held back while flush or compaction was behind, or waiting for room.',
    },
    {
      title: 'compaction debt',
      y: BYTES,
      lines: [line('debt', 0, ({ debtBytes }) => debtBytes)],
      words: `Tables that are due to be merged downwards, ${bytes(most((one) => one.debtBytes))} at most.`,
    },
    {
      title: 'tables in level 0',
      y: COUNT,
      lines: [line('tables', 0, ({ level0 }) => level0)],
      words: `At most ${most(({ level0 }) => level0)}.`,
    },
    {
      title: 'space',
      y: BYTES,
      lines: [
        line('files', 0, ({ files }) => files.all),
        line('tables', 1, ({ files }) => files.tables),
        line('segments', 2, ({ files }) => files.segments),
        line('logs', 3, ({ files }) => files.logs),
        line('live', 4, ({ liveBytes }) => liveBytes),
        line(`${SPACE_PEAK} × live`, 'ideal', ({ liveBytes }) => SPACE_PEAK * liveBytes),
      ],
      words: `Dashed: ${SPACE_PEAK} × live, the most at any time; after idle ${SPACE_IDLE} ×.`,
    },
    {
      title: 'memory',
      y: BYTES,
      lines: [
        line('resident', 0, ({ rssBytes }) => rssBytes),
        line('bound', 'ideal', () => memoryMost),
      ],
      words: `Dashed: ${bytes(baseBytes)} before the database was opened, its budget, and 64 MiB.`,
    },
    {
      title: 'event loop, longest delay in ms',
      y: COUNT,
      lines: [line('delay', 0, ({ loopMs }) => loopMs)],
      words: `At most ${round(most(({ loopMs }) => loopMs))} ms.`,
    },
    {
      title: 'cores busy',
      y: COUNT,
      lines: [line('cores', 0, (point) => perSecond(point, point.cpuMs) / 1_000)],
      words: 'Processor time of all threads, that of the load included.',
    },
  ]
}

/** [from, to] in seconds. */
function holes(course: SoakCourse): readonly Point[] {
  const least = meanRate(course) * SLOWEST_SHARE
  return loadSeconds(course)
    .filter((point) => rateOfPoint(point) < least)
    .map(({ seconds, ms }) => [round(seconds - ms / 1_000), round(seconds)])
}
