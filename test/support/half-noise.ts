// Text that compresses to somewhat more than half, the same for the same number: for fixtures whose tables are to be as
// large with compression as their entries ask for, and whose blocks are some compressed, some not.

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

export function halfNoise(length: number, seed: number): string {
  const noisy = Math.ceil(length * 0.6)
  let state = seed >>> 0
  let text = ''
  while (text.length < noisy) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    text += LETTERS[state >>> 26]
  }
  return text.padEnd(length, '.')
}
