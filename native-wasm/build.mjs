// Compiles assembly/index.ts into src/kernel/generated/kernels-wasm.ts, which is committed.
//   node native-wasm/build.mjs           compile and write
//   node native-wasm/build.mjs --check   compile and fail when a byte of the committed module differs
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import asc from 'assemblyscript/asc'
import { placeFences } from './fences.mjs'
import { assertFences, assertNoState } from './module-checks.mjs'
import { generatedFile, here, readCommitted, sourceHash, toolchain } from './sources.mjs'

/**
 * Compiles one entry; what it does not import is left out. `edit` may change a source text on its
 * way to the compiler (tests use it to build deliberately broken variants).
 * @param {{ entry?: string, edit?: (text: string, name: string) => string }} [options]
 * @returns {Promise<Buffer>}
 */
export async function compile({ entry = toolchain.entry, edit = (text) => text } = {}) {
  const installed = asc.version
  if (installed !== toolchain.assemblyscript) {
    throw new Error(`assemblyscript ${installed} is installed, ${toolchain.assemblyscript} pinned`)
  }
  const outputs = new Map()
  const args = [entry, ...toolchain.flags, '--textFile', 'out.wat']
  const { error, stderr } = await asc.main(args, {
    readFile: (name) => readSource(name, edit),
    writeFile: (name, contents) => void outputs.set(name, contents),
    listFiles: () => [],
  })
  const messages = stderr.toString()
  if (error !== null) throw new Error(`${error.message}\n${messages}`)
  if (messages.includes('WARNING')) process.stderr.write(messages)
  const { wasm, wat } = placeFences(outputs.get('out.wat'))
  assertNoState(wasm, wat)
  if (entry === toolchain.entry) assertFences(wat)
  return Buffer.from(wasm)
}

function readSource(name, edit) {
  try {
    return edit(readFileSync(new URL(name, here), 'utf8'), name)
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}

/** The text of the generated file. */
function render(wasm) {
  const lines = wasm.toString('base64').match(/.{1,96}/g)
  return [
    '// Made by native-wasm/build.mjs from native-wasm/assembly. Do not edit: npm run build:wasm.',
    `export const sourceHash = '${sourceHash()}'`,
    'export const kernelsWasm: string =',
    ...lines.map((line, i) => `  '${line}'${i === lines.length - 1 ? '' : ' +'}`),
    '',
  ].join('\n')
}

async function main(check) {
  const wasm = await compile()
  const text = render(wasm)
  if (check) {
    if (text === readCommitted()) return
    process.stderr.write('The committed kernel module is not what its sources compile to.\n')
    process.stderr.write('Run: npm run build:wasm\nand commit the result.\n')
    process.exitCode = 1
    return
  }
  mkdirSync(new URL('./', generatedFile), { recursive: true })
  writeFileSync(generatedFile, text)
  process.stdout.write(`kernels: ${wasm.length} bytes of wasm\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(process.argv.includes('--check'))
}
