// The tasks of a piscina that no thread has taken yet. Where the system gives no thread, piscina throws and leaves the
// task in its queue: it must come out again, or what its owner was told had failed would be done later.
import type { TaskQueue } from 'piscina'

type Task = Parameters<TaskQueue['push']>[0]

export class TaskList implements TaskQueue {
  readonly #tasks: Task[] = []

  get size(): number {
    return this.#tasks.length
  }

  push(task: Task): void {
    this.#tasks.push(task)
  }

  shift(): Task | null {
    return this.#tasks.shift() ?? null
  }

  remove(task: Task): void {
    const at = this.#tasks.indexOf(task)
    if (at >= 0) this.#tasks.splice(at, 1)
  }

  /** What was pushed when there were so many is never done, and its promise never settles. */
  takeBack(size: number): void {
    this.#tasks.length = Math.min(this.#tasks.length, size)
  }
}
