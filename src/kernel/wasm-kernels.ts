// Binds the wasm kernels to a memory. On any thread: the module is compiled once per thread, on
// first use, and instantiated per memory. The module holds no state, so instances may be made at
// any time.
import type { HeapMemory } from '../base/heap-memory.ts'
import { kernelsWasm } from './generated/kernels-wasm.ts'
import type { Kernels } from './kernels.ts'

function compileOnce(): () => WebAssembly.Module {
  let compiled: WebAssembly.Module | undefined
  return () => {
    compiled ??= new WebAssembly.Module(Buffer.from(kernelsWasm, 'base64'))
    return compiled
  }
}

const kernelModule = compileOnce()

/** The kernels over `memory`, which must be shared. Methods are the wasm exports themselves
 * wherever the signatures agree, so a call costs no more than the export does. */
export function wasmKernels(memory: HeapMemory): Kernels {
  const instance = new WebAssembly.Instance(kernelModule(), { env: { memory } })
  const wasm = instance.exports as unknown as Kernels
  const { memtableGet } = wasm
  return {
    hash64: wasm.hash64,
    checksum: wasm.checksum,
    checksumMatches: wasm.checksumMatches,
    memtableInit: wasm.memtableInit,
    memtableLink: wasm.memtableLink,
    // wasm hands addresses back as signed numbers.
    memtableGet: (arena, key, keyLength, maxVersion) =>
      memtableGet(arena, key, keyLength, maxVersion) >>> 0,
    memtablePage: wasm.memtablePage,
    filterBuild: wasm.filterBuild,
    filterProbe: wasm.filterProbe,
    fenceSearch: wasm.fenceSearch,
    fenceValidate: wasm.fenceValidate,
    lz4Compress: wasm.lz4Compress,
    lz4Decompress: wasm.lz4Decompress,
    blockGet: wasm.blockGet,
    blockSeek: wasm.blockSeek,
    blockRestarts: wasm.blockRestarts,
    blockDecode: wasm.blockDecode,
    blockGuide: wasm.blockGuide,
    entriesAscend: wasm.entriesAscend,
    moveBytes: wasm.moveBytes,
    mergeScan: wasm.mergeScan,
    mergeCompact: wasm.mergeCompact,
    builderStart: wasm.builderStart,
    builderAppend: wasm.builderAppend,
    builderStopped: wasm.builderStopped,
    builderCloseBlock: wasm.builderCloseBlock,
    builderSealBlock: wasm.builderSealBlock,
    builderFinishBlock: wasm.builderFinishBlock,
    builderDrained: wasm.builderDrained,
    builderAlone: wasm.builderAlone,
  }
}
