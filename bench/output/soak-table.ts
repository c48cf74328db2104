// A soak as text: its course as lines of blocks, its phases, what it is held to.
import { meanRate, rateOfPoint, type SoakFinding, soakFindings, spaceOf } from '../soak/bounds.ts'
import type { SoakCourse, SoakPhase, SoakPoint } from '../soak/protocol.ts'
import type { RunRecord } from './record.ts'
import { runHeader } from './run-header.ts'
import { parts, sparkline } from './sparkline.ts'
import { figure, rate, table } from './table.ts'

const COLUMNS = 80
const MIB = 2 ** 20
const SIGNS: { readonly [Phase in SoakPhase]: string } = { fill: 'f', load: '=', idle: '.' }
const PHASES: readonly SoakPhase[] = ['fill', 'load', 'idle']

interface Line {
  readonly title: string
  readonly pick: (point: SoakPoint) => number
  readonly show: (value: number) => string
}

const mib = (bytes: number): string => figure(bytes / MIB)
const perSecond = (point: SoakPoint, value: number): number => (value / point.ms) * 1_000

const LINES: readonly Line[] = [
  { title: 'operations/s', pick: rateOfPoint, show: rate },
  { title: 'writers waited, ms/s', pick: (one) => perSecond(one, one.waitedMs), show: figure },
  { title: 'compaction debt, MiB', pick: ({ debtBytes }) => debtBytes, show: mib },
  { title: 'tables in level 0', pick: ({ level0 }) => level0, show: figure },
  { title: 'files, MiB', pick: ({ files }) => files.all, show: mib },
  { title: '  tables', pick: ({ files }) => files.tables, show: mib },
  { title: '  segments', pick: ({ files }) => files.segments, show: mib },
  { title: '  logs', pick: ({ files }) => files.logs, show: mib },
  { title: 'live, MiB', pick: ({ liveBytes }) => liveBytes, show: mib },
  { title: 'memory, MiB', pick: ({ rssBytes }) => rssBytes, show: mib },
  { title: 'event loop, longest ms', pick: ({ loopMs }) => loopMs, show: figure },
  { title: 'cores busy', pick: (one) => perSecond(one, one.cpuMs) / 1_000, show: figure },
]

/** Throws when the record has no course. */
export function formatSoak(record: RunRecord): string {
  const course = courseOf(record)
  const [section] = record.sections
  return [
    `${runHeader(record)}\n${section?.title ?? ''}. ${section?.note ?? ''}`,
    courseTable(course.points),
    phaseTable(course),
    boundsTable(soakFindings(course)),
    [...foot(course), ...course.mistakes.map((words) => `WRONG: ${words}`)].join('\n'),
  ].join('\n\n')
}

export function courseOf({ soak }: RunRecord): SoakCourse {
  if (soak === undefined) throw new Error('the record has no course of a soak')
  return soak
}

function courseTable(points: readonly SoakPoint[]): string {
  const signs = parts(points, COLUMNS).map((some) => SIGNS[some[0]!.phase])
  const rows = LINES.map(({ title, pick, show }) => {
    const values = points.map(pick)
    const [most, end] = [Math.max(...values), values.at(-1)!]
    const blocks = sparkline(values, COLUMNS).padEnd(signs.length)
    return `${title.padEnd(24)}${blocks}  ${show(most)}, ${show(end)}`
  })
  const ruler = `${'f fill, = load, . idle'.padEnd(24)}${signs.join('')}  most, at the end`
  return [ruler, ...rows].join('\n')
}

function phaseTable({ points }: SoakCourse): string {
  const rows = PHASES.flatMap((phase) => {
    const own = points.filter((point) => point.phase === phase)
    if (own.length === 0) return []
    const sum = (pick: (point: SoakPoint) => number): number =>
      own.reduce((total, point) => total + pick(point), 0)
    const ms = sum((point) => point.ms)
    const operations = sum((point) => point.operations)
    const spaces = own.map(spaceOf)
    return [
      [
        phase,
        figure(ms / 1_000),
        operations.toLocaleString('en-US'),
        rate((operations / ms) * 1_000),
        figure(sum((point) => point.waitedMs)),
        figure(sum((point) => point.cpuMs) / 1_000),
        phase === 'fill' ? '–' : figure(Math.max(...spaces)),
        figure(spaces.at(-1)!),
      ],
    ]
  })
  const head = ['phase', 'seconds', 'operations', 'per second', 'writers waited, ms', 'CPU, s']
  return table([[...head, 'files / live, most', 'at the end'], ...rows])
}

function boundsTable(findings: readonly SoakFinding[]): string {
  const rows = findings.map(({ what, measured, bound, verdict }) => [
    what,
    measured,
    bound,
    verdict,
  ])
  return table([['held to', 'measured', 'bound', ''], ...rows])
}

function foot(course: SoakCourse): readonly string[] {
  const { puts, deletes, snapshots, userBytes, writtenBytes, baseBytes, settledBytes } = course
  const count = (value: number): string => value.toLocaleString('en-US')
  const rested = course.restless ? ['The files still changed when the idle phase ended.'] : []
  return [
    `Mean of the load ${rate(meanRate(course))}/s; ${count(puts)} puts and ${count(deletes)} deletes of ` +
      `${mib(userBytes)} MiB; ${mib(writtenBytes)} MiB written: log, flushes, compactions, collection of garbage.`,
    `${count(snapshots)} snapshots were held and read. After settle(): ${mib(settledBytes)} MiB of files.`,
    `Memory: the most resident, less the ${mib(baseBytes)} MiB before it was opened, with what the load holds.`,
    'Files: what the file system has, logs that are filled ahead included. Live: keys and values a reader would find.',
    'Nobody called compactRange, flatten, collectGarbage or settle before the last point.',
    ...rested,
  ]
}
