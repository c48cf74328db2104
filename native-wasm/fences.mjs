// Puts `atomic.fence` into the optimised module. The binaryen that AssemblyScript 0.28.20 ships
// with drops fences when it optimises, so the sources call an import, which it must leave where it
// stands and may move nothing across; here each call becomes the instruction.
import binaryen from 'binaryen'

const IMPORT = /^ \(import "env" "atomicFence" \(func \$(\S+)\)\)\n/m

/** @param {string} wat @returns {{ wat: string, wasm: Uint8Array }} */
export function placeFences(wat) {
  const name = IMPORT.exec(wat)?.[1]
  if (name === undefined) return assemble(wat)
  const call = new RegExp(`\\bcall \\$${name.replace(/[^\w]/g, '\\$&')}(?=\\s)`, 'g')
  return assemble(wat.replace(IMPORT, '').replaceAll(call, 'atomic.fence'))
}

function assemble(wat) {
  const module = binaryen.parseText(wat)
  module.setFeatures(
    binaryen.Features.Atomics |
      binaryen.Features.SIMD128 |
      binaryen.Features.BulkMemory |
      binaryen.Features.BulkMemoryOpt |
      binaryen.Features.SignExt |
      binaryen.Features.NontrappingFPToInt |
      binaryen.Features.MutableGlobals,
  )
  if (!module.validate()) throw new Error('the module is not valid once its fences are in place')
  const wasm = module.emitBinary()
  const text = module.emitText()
  module.dispose()
  return { wasm, wat: text }
}
