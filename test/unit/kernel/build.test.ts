import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import { twinKernels } from '../../twins/twin-kernels.ts'
import { sharedMemory } from './memtable-fixture.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe('the committed kernel module', () => {
  it('was built from the sources', () => {
    execFileSync('node', [join(root, 'native-wasm/check-generated.mjs')])
  })

  it('a changed source is noticed, with the remedy', () => {
    const copy = temporaryDirectory()
    cpSync(join(root, 'native-wasm'), join(copy, 'native-wasm'), { recursive: true })
    cpSync(join(root, 'src/kernel/generated'), join(copy, 'src/kernel/generated'), {
      recursive: true,
    })
    const check = () => spawnSync('node', [join(copy, 'native-wasm/check-generated.mjs')])
    expect(check().status).toBe(0)
    const source = join(copy, 'native-wasm/assembly/hash.ts')
    writeFileSync(source, readFileSync(source, 'utf8').replace('rest >= 32', 'rest >= 31'))
    const result = check()
    expect(result.status).toBe(1)
    expect(result.stderr.toString()).toContain('npm run build:wasm')
  })

  it('is bound and twinned in full', () => {
    const memory = sharedMemory(65_536)
    const wasm = wasmKernels(memory)
    const contract = read('src/kernel/kernels.ts').matchAll(/^ {2}(\w+)\(/gm)
    const names = Array.from(contract, ([, name]) => name).sort()
    expect(Object.keys(wasm).sort()).toEqual(names)
    expect(Object.keys(twinKernels(memory)).sort()).toEqual(names)
    for (const name of names) expect(typeof wasm[name as keyof Kernels]).toBe('function')
  })

  it('instances over one memory leave it alone when they start', () => {
    const memory = sharedMemory(65_536)
    const bytes = Buffer.from(memory.buffer)
    bytes.fill(0x5a)
    wasmKernels(memory)
    wasmKernels(memory)
    expect(bytes.every((byte) => byte === 0x5a)).toBe(true)
  })
})

it('the kernels repeat every layout constant, and no other', () => {
  const text = read('native-wasm/assembly/layout.ts')
  const declared = Array.from(text.matchAll(/^export const (\w+): u32 = (\w+)$/gm))
  const numbers = declared.map(([, name, value]) => [name, Number(value!.replaceAll('_', ''))])
  expect(Object.fromEntries(numbers)).toEqual({ ...layout })
})
