import { expect, it } from 'vitest'
import { systemRandom } from '../../../src/base/random.ts'
import { warmUp } from '../../../src/jobs/warm-up.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'

it('runs the kernels of a flush and of a compaction', () => {
  const called = new Set<string>()
  warmUp((heap) => {
    const kernels = wasmKernels(heap.memory)
    return new Proxy(kernels, {
      get(target, name: keyof Kernels & string) {
        called.add(name)
        return target[name]
      },
    })
  }, systemRandom)
  const wanted: (keyof Kernels)[] = [
    'memtableLink',
    'memtablePage',
    'mergeCompact',
    'builderAppend',
    'filterBuild',
    'checksumMatches',
    'blockDecode',
  ]
  expect(wanted.filter((name) => !called.has(name))).toEqual([])
})
