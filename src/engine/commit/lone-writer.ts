// Says when a commit may be written inside the call that makes it, without waiting for the turn in which a group
// closes: when its writer is alone (DESIGN §1, idea 3). Main thread. Invariant: of the commits of one synchronous run
// the first alone goes at once, and none is told of inside its call.
import type { Clock } from '../../base/clock.ts'
import { TurnBudget } from '../../base/turn-budget.ts'
import { type CommitGroup, DONE } from '../commit-group.ts'

/** Of a commit, in point reads. */
const COST = 4

export class LoneWriter {
  /** After 2 ms of commits without a turn of the event loop they wait for one: timers must come to run. */
  readonly #budget: TurnBudget
  readonly #failed: (error: unknown) => void
  /** Commits in the group that was written last. */
  #lastCommits = 1
  /** Written at once; nobody has been told. */
  #unacknowledged: CommitGroup | undefined

  /** `failed` gets what a callback of a commit throws. */
  constructor(clock: Clock, failed: (error: unknown) => void) {
    this.#budget = new TurnBudget(clock)
    this.#failed = failed
  }

  /** Whether the only commit that is not written may be written now. */
  get alone(): boolean {
    return (
      this.#unacknowledged === undefined && this.#lastCommits === 1 && !this.#budget.spend(COST)
    )
  }

  /** A group goes out. */
  wrote(group: CommitGroup): void {
    this.#lastCommits = group.commits
  }

  /** The group goes out at once: who waits for its commit is told once the call has ended. */
  goes(group: CommitGroup): void {
    this.#unacknowledged = group
    // Before whatever the caller does with the promise it is about to get.
    DONE.then(this.#acknowledge)
  }

  readonly #acknowledge = (): void => {
    this.#unacknowledged?.runCallbacks(this.#failed)
    this.#unacknowledged = undefined
  }
}
