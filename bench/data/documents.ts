// Documents as values: JSON records of one shape and one length, whose repetition lies between them, not within one.

const WORDS =
  'about above after again along among answer batch before begin block bring cache carry ' +
  'change city close commit count early every field first flush group house index large ' +
  'later level light might never night order other page paper part place plant point ' +
  'range right river scan second shall small sound state still story table their there ' +
  'thing think three tree under until value water where which while world would write ' +
  'young'
const VOCABULARY = WORDS.split(' ')
const FIRST_DAY = Date.UTC(2024, 0, 1)
const MINUTES = 1_000_000

/** Fills all of `target` with one document, cut off where it ends. `next`: random 32-bit words. */
export function writeDocument(target: Buffer, next: () => number): void {
  const word = (): string => VOCABULARY[next() % VOCABULARY.length]!
  const hex = (): string => next().toString(16).padStart(8, '0')
  const fields = {
    id: hex() + hex(),
    created: new Date(FIRST_DAY + 60_000 * (next() % MINUTES)).toISOString(),
    author: { name: `${word()}-${next() % 100_000}`, active: next() % 2 === 0 },
    size: [next() % 4_000, next() % 4_000],
    tags: [word(), word()],
  }
  let text = `${JSON.stringify(fields).slice(0, -1)},"text":"`
  while (text.length < target.length) text += `${word()} `
  target.write(text, 'latin1')
}
