// Twin of the check of value pointers (FORMAT §9).

export function isPointer(bytes: Buffer): boolean {
  if (bytes.length !== 24) return false
  const segment = bytes.readBigUInt64LE(0)
  const offset = bytes.readBigUInt64LE(8)
  const length = bytes.readUInt32LE(16)
  const stored = bytes.readUInt32LE(20)
  // Of 1 MiB each; an empty value has one.
  const parts = Math.max(1, Math.ceil(length / 2 ** 20))
  return (
    segment > 0n &&
    segment < 1n << 53n &&
    offset >= 64n &&
    offset < 1n << 53n &&
    offset % 8n === 0n &&
    length <= 2 ** 30 &&
    stored % 8 === 0 &&
    stored >= (length === 0 ? 32 : 40 * parts) &&
    stored <= 32 * parts + Math.ceil(length / 8) * 8
  )
}
