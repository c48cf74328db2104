// A kernel module is instantiated once per thread over one shared memory. Anything it carried there
// by itself (static data, a heap, start-up code) would overwrite the state of the threads already
// running.
const SECTION_START = 8
const SECTION_DATA = 11
const SECTION_DATA_COUNT = 12

/** Throws unless the module is free of data, start function, allocator and stray imports. */
export function assertNoState(wasm, wat) {
  const sections = sectionIds(wasm)
  for (const [id, what] of [
    [SECTION_START, 'a start function'],
    [SECTION_DATA, 'a data segment'],
    [SECTION_DATA_COUNT, 'a data count section'],
  ]) {
    if (sections.includes(id)) throw new Error(`the kernel module has ${what}`)
  }
  for (const name of ['__new', '__alloc', '__renew', '__heap_base', '~start']) {
    if (wat.includes(name)) throw new Error(`the kernel module refers to ${name}`)
  }
  const imports = wat.match(/\(import [^\n]*/g) ?? []
  if (imports.length !== 1 || !imports[0].startsWith('(import "env" "memory" ')) {
    throw new Error(`the kernel module must import env.memory and nothing else: ${imports}`)
  }
  if (wat.includes('(mut ')) throw new Error('the kernel module has a mutable global')
}

/** Readers of the memtable are wrong on weakly ordered processors without them. */
export function assertFences(wat) {
  if (!wat.includes('atomic.fence')) throw new Error('the kernel module lost its fences')
}

function sectionIds(wasm) {
  const ids = []
  let at = 8
  while (at < wasm.length) {
    ids.push(wasm[at])
    const [size, next] = readVarint(wasm, at + 1)
    at = next + size
  }
  return ids
}

function readVarint(bytes, start) {
  let value = 0
  let at = start
  let scale = 1
  for (; bytes[at] >= 0x80; at++) {
    value += (bytes[at] & 0x7f) * scale
    scale *= 128
  }
  return [value + bytes[at] * scale, at + 1]
}
