// What is measured: a named piece of work, prepared only when its turn comes. A case says what its work must answer,
// and is not timed unless it does.
import { isDeepStrictEqual } from 'node:util'
import type { Kernels } from '../../src/kernel/kernels.ts'
import { wasmKernels } from '../../src/kernel/wasm-kernels.ts'
import { twinKernels } from '../../test/twins/twin-kernels.ts'
import { Areas, newMemory } from '../../test/unit/kernel/block-support.ts'

/** One implementation over an input of its own. Every run does the same again. */
export interface Side {
  run(): void | Promise<void>
  /** run() gives a promise. */
  readonly awaited?: true
  /** What the last run left behind, as plain values and copies. */
  answer(): unknown
}

interface Work {
  /** Operations of one run. */
  readonly operations: number
  readonly ours: Side
  close?(): Promise<void>
}

/** `twin`: the slow, obvious implementation; `expected`: the answer, where there is none. */
export type Prepared =
  | (Work & { readonly twin: Side })
  | (Work & { readonly twin?: undefined; readonly expected: unknown })

export interface Case {
  readonly name: string
  prepare(): Prepared | Promise<Prepared>
}

export interface Area {
  readonly name: string
  readonly cases: readonly Case[]
}

/** Kernel and twin, each over a memory of its own; both memories have one layout, so that even addresses must agree. */
export function kernelCase(
  name: string,
  work: { readonly operations: number; readonly memoryBytes: number },
  build: (kernels: Kernels, areas: Areas) => Side,
): Case {
  const side = (bind: (memory: WebAssembly.Memory) => Kernels): Side => {
    const memory = newMemory(work.memoryBytes)
    return build(bind(memory), new Areas(memory))
  }
  return {
    name,
    prepare: () => ({
      operations: work.operations,
      ours: side(wasmKernels),
      twin: side(twinKernels),
    }),
  }
}

/** The answer of a side that gives it twice: work that changes its own input would time something else. */
async function steadyAnswer(side: Side): Promise<unknown> {
  await side.run()
  const first = side.answer()
  await side.run()
  if (!isDeepStrictEqual(side.answer(), first)) {
    throw new Error('a second run answers otherwise than the first, so it must not be timed')
  }
  return first
}

/** Throws unless both sides, or the one and what is expected, answer alike. */
export async function checkAnswers(prepared: Prepared): Promise<void> {
  const ours = await steadyAnswer(prepared.ours)
  const { twin } = prepared
  const wanted = twin === undefined ? prepared.expected : await steadyAnswer(twin)
  if (!isDeepStrictEqual(ours, wanted)) {
    const other = twin === undefined ? 'what is right' : 'that of its twin'
    throw new Error(`the answer differs from ${other}; a wrong result has no speed`)
  }
}
