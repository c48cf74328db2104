// What the committed module is made of: the kernel sources, the pinned toolchain, and one hash over
// both.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'

export const here = new URL('./', import.meta.url)
export const generatedFile = new URL('../src/kernel/generated/kernels-wasm.ts', here)

/** @type {{ assemblyscript: string, entry: string, flags: string[] }} */
export const toolchain = JSON.parse(readFileSync(new URL('toolchain.json', here), 'utf8'))

/** sha256 over toolchain.json and the sources in assembly/, names included, line ends normalised. */
export function sourceHash() {
  const assembly = new URL('assembly/', here)
  const names = readdirSync(assembly, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replaceAll('\\', '/'))
  const hash = createHash('sha256')
  const files = ['toolchain.json', ...names.sort().map((name) => `assembly/${name}`)]
  for (const name of files) {
    const text = readFileSync(new URL(name, here), 'utf8').replaceAll('\r\n', '\n')
    hash.update(`${name}\0${text.length}\0${text}`)
  }
  return hash.digest('hex')
}

/** The hash written into the committed file, or undefined when there is none. */
export function committedHash() {
  const text = readCommitted()
  return text === undefined ? undefined : /sourceHash = '([0-9a-f]{64})'/.exec(text)?.[1]
}

/** The committed module itself. */
export function committedModule() {
  const parts = (readCommitted() ?? '').matchAll(/^ {2}'([A-Za-z0-9+/=]+)'/gm)
  return Buffer.from(Array.from(parts, ([, base64]) => base64).join(''), 'base64')
}

export function readCommitted() {
  try {
    return readFileSync(generatedFile, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}
