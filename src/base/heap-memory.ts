// A WebAssembly.Memory, named so that the published types do not ask for the DOM's.

export interface HeapMemory {
  readonly buffer: ArrayBuffer
}
