// What the oracle goes on promising after a kill: what had been acked before it, and nothing that only the life that
// was cut off would have come to.
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { noCounts, replayCrash } from '../examine.ts'
import { History } from '../history.ts'
import { Session, type Settings } from '../session.ts'

const SEED = 1
const settings: Settings = { durability: 'none', l0CompactTrigger: 4 }

function put(history: History, at: number): number {
  return history.hand([{ type: 'put', key: 'key', value: `${at}` }], at)
}

describe('after a kill', () => {
  it('what was promised before it still is', () => {
    const history = new History()
    history.promise(put(history, 3), 'power', 5)
    const next = history.after(1, 5)
    expect(next.bounds(5, 'power')).toEqual({ least: 1, most: 1 })
  })

  it('what would have been promised later is not, at any moment', () => {
    const history = new History()
    history.promise(put(history, 3), 'power', 5)
    const next = history.after(1, 4)
    expect(next.bounds(4, 'kill')).toEqual({ least: 0, most: 1 })
    expect(next.bounds(100, 'power')).toEqual({ least: 0, most: 1 })
  })

  it('where a log begins anew, nothing is', () => {
    const history = new History()
    history.promise(put(history, 3), 'power', 5)
    expect(history.after(1, undefined).bounds(100, 'power')).toEqual({ least: 0, most: 1 })
  })

  // The kill comes between the write of a commit and its sync. The recovery finds it, and is cut before its own sync,
  // at the moment at which the killed process would have acked.
  it('a commit whose sync it cut off may go with a power cut inside the recovery', async () => {
    const fs = new FaultFileSystem()
    const history = new History()
    const session = new Session({ fs, history, seed: SEED, name: 'first', settings })
    await session.open()
    await session.commit([{ type: 'put', key: 'key', value: 'value' }], 'sync')
    const sync = fs.steps.length - 1
    expect(fs.steps[sync]?.kind).toBe('sync')
    await session.close()
    const life = { files: new Map(), steps: fs.steps.slice(), history, settings }
    const examiner = { seed: SEED, counts: noCounts(), seen: new Set<string>() }
    const rest = [`${sync}:killed`, `${sync + 1}:strict.synced`]
    await replayCrash(examiner, life, { path: '', depth: 0, rest })
    expect(examiner.counts.recovered).toBe(2)
  })
})
