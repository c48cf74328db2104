// Puts fresh transcripts into docs/REPAIR.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { GENERATED, transcripts } from './repair-transcripts.ts'

const path = 'docs/REPAIR.md'
const [written] = readFileSync(path, 'utf8').split(GENERATED)
writeFileSync(path, `${written}${GENERATED}\n\n${await transcripts()}`)
