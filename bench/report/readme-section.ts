// README.md's performance section: one table of the newest kept run, losses in the same type as wins.
import { Readings } from '../output/readings.ts'
import type { RunRecord } from '../output/record.ts'
import { rate } from '../output/table.ts'
import { rivalryIn, type SectionFigures, sectionFigures, type WorkloadFigures } from './figures.ts'
import { DASH, describeDataset, times } from './numbers.ts'

const EMPTY = `No run is kept yet. \`npm run bench\` measures Sett beside classic-level, lmdb, better-sqlite3 and others
on your machine, and \`npm run bench:badger\` beside BadgerDB.`

/** Markdown without the marks around it. `db`: the table; `badger`: adds a column with the ratio of its own run. */
export function performanceSection(db?: RunRecord, badger?: RunRecord): string {
  const figures = db === undefined ? undefined : sectionFigures(db)[0]
  if (db === undefined || figures === undefined) return EMPTY
  const rows = tableRows(figures, badger)
  const head = ['operations per second', 'Sett', 'best peer', '', 'ratio']
  const aligned = ['---', '--:', '--:', '---', '--:']
  const columns = badger === undefined ? head : [...head, 'to BadgerDB']
  const lines = [columns, badger === undefined ? aligned : [...aligned, '--:'], ...rows.cells]
  return [
    where(db),
    how(db, figures, rows),
    lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n'),
    what(db, badger),
  ].join('\n\n')
}

interface Rows {
  readonly cells: readonly (readonly string[])[]
  readonly ahead: number
}

function tableRows({ workloads }: SectionFigures, badger: RunRecord | undefined): Rows {
  let ahead = 0
  const cells = workloads.flatMap((workload) => {
    const found = rivalryIn(workload)
    if (found === undefined) return []
    const { ours, rival, ratio } = found
    if (ratio >= 1) ahead++
    const row = [workload.title, rate(ours.rate), rate(rival.rate), rival.engine, times(ratio)]
    return [badger === undefined ? row : [...row, badgerCell(badger, workload)]]
  })
  return { cells, ahead }
}

/** Sett over the better of Badger's option sets, in Badger's own run. */
function badgerCell(badger: RunRecord, { name, readings }: WorkloadFigures): string {
  const [first] = badger.sections
  if (first === undefined) return DASH
  const own = new Readings(badger, first.title, readings.durability)
  const theirs = own.rival('best badger', name)
  if (theirs === undefined) return DASH
  return times(own.ratio({ engine: 'sett', workload: name }, { engine: theirs, workload: name }))
}

function where({ date, machine, settVersion, commit }: RunRecord): string {
  const { cores, processor, memoryGiB, platform, node, fileSystem } = machine
  const source = commit === '' ? settVersion : `${settVersion} (${commit})`
  return (
    `Sett ${source} on ${date.slice(0, 10)}: ${cores} × ${processor}, ${memoryGiB} GiB, ${platform}, ` +
    `Node ${node}, ${fileSystem}.`
  )
}

function how({ runs }: RunRecord, { section }: SectionFigures, { cells, ahead }: Rows): string {
  const medians = runs === 1 ? 'one run' : `medians of ${runs} interleaved runs`
  return [
    `${describeDataset(section.dataset)}; ${medians}, every store in a process of its own,`,
    'closing included in every fill, reads on a settled database, all writes of a row acknowledged at the same point:',
    'when the kernel has them, or, where it says durable, when the disk has them.',
    `Sett is ahead of the best of them in ${ahead} of ${cells.length} rows and behind in ${cells.length - ahead}.`,
  ].join('\n')
}

function what(db: RunRecord, badger: RunRecord | undefined): string {
  const peers = db.engines
    .filter(({ kind = 'peer', leftOut }) => kind === 'peer' && leftOut === undefined)
    .map(({ name, version }) => `${name} ${version}`)
  const lines = [
    `Peers: ${peers.join(', ')}.`,
    'A ratio is the median of the ratios inside each run.',
  ]
  if (badger !== undefined) {
    const versions = badger.engines
      .filter(({ name, leftOut }) => name.startsWith('badger') && leftOut === undefined)
      .map(({ version }) => version)
    lines.push(
      `BadgerDB ${versions[0] ?? ''}: the better of its default and tuned options, in a run of its own on ` +
        `${badger.date.slice(0, 10)}.`,
    )
  }
  const again =
    badger === undefined
      ? '`npm run bench` makes the table anew on your machine.'
      : '`npm run bench` and `npm run bench:badger` make the tables anew on your machine.'
  return [...lines, again].join('\n')
}
