// Where a writer is made to die: before, in the middle of, or after the nth call of one kind on one kind of file, in
// one phase of its life. Every row is struck by every full round of `npm run test:kill -- --points`.
import type { CallKind } from '../faults/fault-rules.ts'

export type KillPhase = 'opening' | 'running' | 'closing'
/** What the calling thread is at; 'none': it runs no job. With `workers: 0` jobs cannot be told apart. */
export type KillJob = 'none' | 'flush' | 'compact' | 'replay'

export interface KillPoint {
  readonly name: string
  readonly phase: KillPhase
  /** 'halfway': a write gets the first half of its bytes out. */
  readonly when: 'before' | 'halfway' | 'after'
  readonly on: CallKind
  /** Of the file's name; of a directory, any. */
  readonly path: RegExp
  readonly job?: KillJob
  /** It is struck at one of its first so many occurrences. */
  readonly among: number
  /** Opening: what is opened must have been killed before. Else it may also be new. */
  readonly afterKill?: boolean
}

type Place = Pick<KillPoint, 'when' | 'on' | 'path'> & Partial<KillPoint>

const LOG = /\.wal$/
const TABLE = /\.sst$/
const SEGMENT = /\.vlog$/
const MANIFEST = /^MANIFEST/
const NEXT_CURRENT = /^CURRENT\.tmp$/
const CURRENT = /^CURRENT$/
const ANY = /./

function opening(name: string, place: Place): KillPoint {
  return { among: 1, ...place, name: `opening: ${name}`, phase: 'opening' }
}

function running(name: string, place: Place): KillPoint {
  return { among: 1, ...place, name, phase: 'running' }
}

function closing(name: string, place: Place): KillPoint {
  return { among: 1, ...place, name: `closing: ${name}`, phase: 'closing' }
}

const OPENING: readonly KillPoint[] = [
  opening('a log is about to be read', { when: 'before', on: 'read', path: LOG, afterKill: true }),
  opening('a log was read', { when: 'after', on: 'read', path: LOG, afterKill: true }),
  opening('a log was synced', { when: 'after', on: 'sync', path: LOG, among: 2, afterKill: true }),
  opening('the manifest was created', { when: 'after', on: 'create', path: MANIFEST }),
  opening('half of the manifest', { when: 'halfway', on: 'write', path: MANIFEST, among: 3 }),
  opening('manifest not synced', { when: 'before', on: 'sync', path: MANIFEST, among: 2 }),
  opening('manifest synced', { when: 'after', on: 'sync', path: MANIFEST, among: 2 }),
  opening('directory not synced', { when: 'before', on: 'syncDirectory', path: ANY, among: 3 }),
  opening('directory synced', { when: 'after', on: 'syncDirectory', path: ANY, among: 3 }),
  opening('half of the next CURRENT', { when: 'halfway', on: 'write', path: NEXT_CURRENT }),
  opening('next CURRENT not synced', { when: 'before', on: 'sync', path: NEXT_CURRENT }),
  opening('CURRENT not renamed', { when: 'before', on: 'rename', path: CURRENT }),
  opening('CURRENT renamed', { when: 'after', on: 'rename', path: CURRENT }),
  opening('its first log was created', { when: 'after', on: 'create', path: LOG }),
  opening('a leftover is about to go', {
    when: 'before',
    on: 'remove',
    path: ANY,
    afterKill: true,
  }),
  opening('a leftover has gone', { when: 'after', on: 'remove', path: ANY, afterKill: true }),
]

const COMMIT: readonly KillPoint[] = [
  running('commit: frame not written', { when: 'before', on: 'write', path: LOG, among: 60 }),
  running('commit: half of a frame', { when: 'halfway', on: 'write', path: LOG, among: 60 }),
  running('commit: frame not synced', { when: 'after', on: 'write', path: LOG, among: 60 }),
  running('commit: frame not linked', { when: 'after', on: 'sync', path: LOG, among: 60 }),
]

const ROTATION: readonly KillPoint[] = [
  running('rotation: log created', { when: 'after', on: 'create', path: LOG, among: 3 }),
  running('rotation: name of the log not synced', {
    ...{ when: 'before', on: 'syncDirectory', path: ANY, job: 'none', among: 3 },
  }),
  running('rotation: name of the log synced', {
    ...{ when: 'after', on: 'syncDirectory', path: ANY, job: 'none', among: 3 },
  }),
  running('edit: half written', { when: 'halfway', on: 'write', path: MANIFEST, among: 5 }),
  running('edit: not synced', { when: 'before', on: 'sync', path: MANIFEST, among: 5 }),
  running('edit: not published', { when: 'after', on: 'sync', path: MANIFEST, among: 5 }),
]

const JOBS: readonly KillPoint[] = [
  running('flush: table created', { when: 'after', on: 'create', path: TABLE, job: 'flush' }),
  running('flush: half of a write', { when: 'halfway', on: 'write', path: TABLE, job: 'flush' }),
  running('flush: table not synced', { when: 'before', on: 'sync', path: TABLE, job: 'flush' }),
  running('flush: table synced', { when: 'after', on: 'sync', path: TABLE, job: 'flush' }),
  running('flush: table not named', {
    ...{ when: 'before', on: 'syncDirectory', path: ANY, job: 'flush', among: 2 },
  }),
  running('flush: not installed', {
    ...{ when: 'after', on: 'syncDirectory', path: ANY, job: 'flush', among: 2 },
  }),
  running('flush: old log about to go', { when: 'before', on: 'remove', path: LOG, among: 2 }),
  running('flush: old log gone', { when: 'after', on: 'remove', path: LOG, among: 2 }),
  running('compaction: inputs read', {
    ...{ when: 'before', on: 'read', path: TABLE, job: 'compact', among: 9 },
  }),
  running('compaction: output created', {
    ...{ when: 'after', on: 'create', path: TABLE, job: 'compact', among: 2 },
  }),
  running('compaction: half of a write', {
    ...{ when: 'halfway', on: 'write', path: TABLE, job: 'compact', among: 2 },
  }),
  running('compaction: output not synced', {
    ...{ when: 'before', on: 'sync', path: TABLE, job: 'compact', among: 2 },
  }),
  running('compaction: not installed', {
    ...{ when: 'after', on: 'syncDirectory', path: ANY, job: 'compact' },
  }),
  running('compaction: input about to go', { when: 'before', on: 'remove', path: TABLE }),
  running('compaction: input gone', { when: 'after', on: 'remove', path: TABLE }),
]

const VALUES: readonly KillPoint[] = [
  running('flush: segment created', { when: 'after', on: 'create', path: SEGMENT, job: 'flush' }),
  running('flush: half of a value', { when: 'halfway', on: 'write', path: SEGMENT, job: 'flush' }),
  running('flush: segment not synced', { when: 'before', on: 'sync', path: SEGMENT, job: 'flush' }),
  running('flush: segment synced', { when: 'after', on: 'sync', path: SEGMENT, job: 'flush' }),
  running('compaction: half of a value', {
    ...{ when: 'halfway', on: 'write', path: SEGMENT, job: 'compact' },
  }),
  running('compaction: segment not synced', {
    ...{ when: 'before', on: 'sync', path: SEGMENT, job: 'compact' },
  }),
  running('segment about to go', { when: 'before', on: 'remove', path: SEGMENT }),
  running('segment gone', { when: 'after', on: 'remove', path: SEGMENT }),
  running('large value: segment created', {
    ...{ when: 'after', on: 'create', path: SEGMENT, job: 'none' },
  }),
  running('large value: half written', {
    ...{ when: 'halfway', on: 'write', path: SEGMENT, job: 'none' },
  }),
  running('large value: segment not synced', {
    ...{ when: 'before', on: 'sync', path: SEGMENT, job: 'none' },
  }),
  running('large value: segment synced', {
    ...{ when: 'after', on: 'sync', path: SEGMENT, job: 'none' },
  }),
]

const CLOSING: readonly KillPoint[] = [
  closing('logs not sealed', { when: 'before', on: 'write', path: MANIFEST }),
  closing('half of the seal', { when: 'halfway', on: 'write', path: MANIFEST }),
  closing('seal not synced', { when: 'before', on: 'sync', path: MANIFEST }),
  closing('seal synced', { when: 'after', on: 'sync', path: MANIFEST }),
  closing('next CURRENT not synced', { when: 'before', on: 'sync', path: NEXT_CURRENT }),
  closing('CURRENT not renamed', { when: 'before', on: 'rename', path: CURRENT }),
  closing('CURRENT renamed', { when: 'after', on: 'rename', path: CURRENT }),
  closing('directory synced', { when: 'after', on: 'syncDirectory', path: ANY, job: 'none' }),
]

export const KILL_POINTS: readonly KillPoint[] = [
  ...OPENING,
  ...COMMIT,
  ...ROTATION,
  ...JOBS,
  ...VALUES,
  ...CLOSING,
]
