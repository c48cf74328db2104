// The transcripts in docs/REPAIR.md are what the commands say.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { GENERATED, transcripts } from './repair-transcripts.ts'

it('docs/REPAIR.md shows what the commands print (else: npm run docs:repair)', async () => {
  const document = readFileSync(new URL('../../docs/REPAIR.md', import.meta.url), 'utf8')
  expect(document.split(GENERATED)[1]?.trim()).toBe((await transcripts()).trim())
}, 60_000)
