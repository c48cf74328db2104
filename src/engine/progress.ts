// Lets callers wait until some background job ended. Main thread.

export class Progress {
  #waiting: (() => void)[] = []

  /** Resolves at the next signal. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  signal(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
