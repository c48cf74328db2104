// What the parent knows: the state that survived the last kill and, in order, every commit announced since.
// It never looks at the database's files; it judges what another process read from them.
import { type Commit, tagOf } from './commits.ts'

export interface Verdict {
  /** Commits of this cycle that survived. */
  readonly survived: number
  /** Acked commits that did not survive. */
  readonly lost: number
  /** Keys that hold something no commit of this history can have put there. */
  readonly invented: number
  /** Commits of which only a part survived. */
  readonly torn: number
  /** One line per finding, at most ten. */
  readonly findings: readonly string[]
}

interface Match {
  survived: number
  differing: number
}

/** Owns the expected state; `judge` moves it to what survived. */
export class Oracle {
  #state = new Map<string, number>()

  /** `commits` in the order announced; the first `acked` of them, at least, must be there. */
  judge(commits: readonly Commit[], acked: number, found: ReadonlyMap<string, number>): Verdict {
    const best = this.#bestPrefix(commits, acked, found)
    const expected = new Map(this.#state)
    for (const commit of commits.slice(0, best.survived)) apply(expected, commit)
    this.#state = expected
    if (best.differing === 0) {
      const lost = Math.max(0, acked - best.survived)
      const findings = lost === 0 ? [] : [`only ${best.survived} of ${acked} acked commits`]
      return { survived: best.survived, lost, invented: 0, torn: 0, findings }
    }
    return classify(best.survived, { commits, acked, found, expected })
  }

  /** The longest prefix equal to what was found; else the closest of those with every acked commit. */
  #bestPrefix(
    commits: readonly Commit[],
    acked: number,
    found: ReadonlyMap<string, number>,
  ): Match {
    const state = new Map(this.#state)
    let differing = 0
    for (const [key, tag] of found) if (state.get(key) !== tag) differing++
    for (const key of state.keys()) if (!found.has(key)) differing++
    let best: Match = { survived: 0, differing }
    const offer = (survived: number): void => {
      const complete = survived >= acked && best.survived < acked && best.differing > 0
      const closer = survived >= acked ? differing <= best.differing : differing === 0
      if (complete || closer) best = { survived, differing }
    }
    for (let at = 0; at < commits.length; at++) {
      for (const { type, key, index } of commits[at]!.operations) {
        if (state.get(key) !== found.get(key)) differing--
        if (type === 'del') state.delete(key)
        else state.set(key, tagOf(commits[at]!.number, index))
        if (state.get(key) !== found.get(key)) differing++
      }
      offer(at + 1)
    }
    return best
  }
}

function apply(state: Map<string, number>, commit: Commit): void {
  for (const { type, key, index } of commit.operations) {
    if (type === 'del') state.delete(key)
    else state.set(key, tagOf(commit.number, index))
  }
}

interface Evidence {
  readonly commits: readonly Commit[]
  readonly acked: number
  readonly found: ReadonlyMap<string, number>
  readonly expected: ReadonlyMap<string, number>
}

function classify(survived: number, evidence: Evidence): Verdict {
  const { commits, acked, found, expected } = evidence
  const order = new Map(commits.map((commit, at) => [commit.number, at]))
  const lost = new Set<number>()
  const torn = new Set<number>()
  const findings: string[] = []
  let invented = 0
  for (const key of new Set([...found.keys(), ...expected.keys()])) {
    const [has, wants] = [found.get(key), expected.get(key)]
    if (has === wants) continue
    const hasAt = has === undefined ? undefined : order.get(Math.floor(has / 64))
    const wantsAt = wants === undefined ? undefined : order.get(Math.floor(wants / 64))
    if (has !== undefined && hasAt === undefined) invented++
    else if (hasAt !== undefined && hasAt >= survived) torn.add(hasAt)
    else if (wantsAt !== undefined && wantsAt < acked) lost.add(wantsAt)
    else if (wantsAt !== undefined) torn.add(wantsAt)
    else lost.add(-1)
    if (findings.length < 10) findings.push(`${key.slice(0, 40)}: tag ${has}, expected ${wants}`)
  }
  return { survived, lost: lost.size, invented, torn: torn.size, findings }
}
