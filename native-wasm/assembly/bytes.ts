// Short moves. A call of memory.copy costs 5-9 ns, more than moving a key by hand.

/** Copies between areas that do not overlap; touches no byte outside them. */
@inline
export function copyBytes(target: usize, source: usize, length: u32): void {
  if (length >= 16) {
    copyLong(target, source, length)
  } else if (length >= 8) {
    const tail = load<u64>(source + length - 8)
    store<u64>(target, load<u64>(source))
    store<u64>(target + length - 8, tail)
  } else if (length >= 4) {
    const tail = load<u32>(source + length - 4)
    store<u32>(target, load<u32>(source))
    store<u32>(target + length - 4, tail)
  } else {
    for (let i: u32 = 0; i < length; i++) store<u8>(target + i, load<u8>(source + i))
  }
}

/** For whoever has no moves of its own: JavaScript copies within shared memory byte by byte. */
export function moveBytes(target: usize, source: usize, length: u32): void {
  memory.copy(target, source, length)
}

function copyLong(target: usize, source: usize, length: u32): void {
  if (length > 1024) {
    memory.copy(target, source, length)
    return
  }
  const last = length - 16
  for (let at: u32 = 0; at < last; at += 16) v128.store(target + at, v128.load(source + at))
  v128.store(target + last, v128.load(source + last))
}
