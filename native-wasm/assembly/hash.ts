// XXH64 (FORMAT §1) over bytes in memory. No table, no scratch: everything stays in registers.

const P1: u64 = 0x9e3779b185ebca87
const P2: u64 = 0xc2b2ae3d27d4eb4f
const P3: u64 = 0x165667b19e3779f9
const P4: u64 = 0x85ebca77c2b2ae63
const P5: u64 = 0x27d4eb2f165667c5

@inline
function round(accumulator: u64, input: u64): u64 {
  return rotl<u64>(accumulator + input * P2, 31) * P1
}

@inline
function mergeRound(hash: u64, accumulator: u64): u64 {
  return (hash ^ round(0, accumulator)) * P1 + P4
}

@inline
function mixLane(hash: u64, lane: u64): u64 {
  return rotl<u64>(hash ^ round(0, lane), 27) * P1 + P4
}

@inline
function avalanche(hash: u64): u64 {
  let h = (hash ^ (hash >> 33)) * P2
  h = (h ^ (h >> 29)) * P3
  return h ^ (h >> 32)
}

/** XXH64 for the other kernels. */
export function xxh64(data: usize, length: u32, seed: u64): u64 {
  let at = data
  let rest = length
  let h: u64
  if (rest >= 32) {
    let a = seed + P1 + P2
    let b = seed + P2
    let c = seed
    let d = seed - P1
    do {
      a = round(a, load<u64>(at))
      b = round(b, load<u64>(at, 8))
      c = round(c, load<u64>(at, 16))
      d = round(d, load<u64>(at, 24))
      at += 32
      rest -= 32
    } while (rest >= 32)
    h = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18)
    h = mergeRound(mergeRound(mergeRound(mergeRound(h, a), b), c), d)
  } else {
    h = seed + P5
  }
  h += <u64>length
  while (rest >= 8) {
    h = mixLane(h, load<u64>(at))
    at += 8
    rest -= 8
  }
  if (rest >= 4) {
    h = rotl<u64>(h ^ (<u64>load<u32>(at) * P1), 23) * P2 + P3
    at += 4
    rest -= 4
  }
  while (rest > 0) {
    h = rotl<u64>(h ^ (<u64>load<u8>(at) * P5), 11) * P1
    at += 1
    rest -= 1
  }
  return avalanche(h)
}

/** FORMAT §1: seed(salt, fileNumber, position), the XXH64 of these 24 bytes. */
@inline
function placeSeed(salt: u64, fileNumber: u64, position: u64): u64 {
  return avalanche(mixLane(mixLane(mixLane(P5 + 24, salt), fileNumber), position))
}

/** FORMAT §1: checksum(bytes, position), for the other kernels. */
export function placedChecksum(
  data: usize,
  length: u32,
  salt: u64,
  fileNumber: u64,
  position: u64,
): u64 {
  return xxh64(data, length, placeSeed(salt, fileNumber, position))
}

export function hash64(data: usize, length: u32, seed: usize, out: usize): void {
  store<u64>(out, xxh64(data, length, seed == 0 ? 0 : load<u64>(seed)))
}

export function checksum(
  data: usize,
  length: u32,
  salt: usize,
  fileNumber: f64,
  position: f64,
  out: usize,
): void {
  store<u64>(out, placedChecksum(data, length, load<u64>(salt), <u64>fileNumber, <u64>position))
}

export function checksumMatches(
  data: usize,
  length: u32,
  salt: usize,
  fileNumber: f64,
  position: f64,
  expected: usize,
): u32 {
  const sum = placedChecksum(data, length, load<u64>(salt), <u64>fileNumber, <u64>position)
  return sum == load<u64>(expected) ? 1 : 0
}
