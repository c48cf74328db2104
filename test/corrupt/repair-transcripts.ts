// Runs doctor, verify and repair over the directories of damaged-directories.ts and writes down what they say, so that
// docs/REPAIR.md stays true. What differs from machine to machine is left out.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sett } from '../support/command-line.ts'
import { DAMAGED_DIRECTORIES, type DamagedDirectory, makeDatabase } from './damaged-directories.ts'

/** Everything behind this line of the document is generated. */
export const GENERATED = '<!-- From here on: npm run docs:repair -->'

export async function transcripts(): Promise<string> {
  const parts: string[] = []
  for (const one of DAMAGED_DIRECTORIES) parts.push(await transcript(one))
  return parts.join('\n')
}

async function transcript(one: DamagedDirectory): Promise<string> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'sett-')))
  const directory = join(base, 'db')
  try {
    await makeDatabase(directory, { segments: one.segments === true })
    one.damage(directory)
    const lines = [`### ${one.title}`, '', '```']
    for (const verb of ['doctor', 'verify', 'repair', 'verify']) {
      const { code, stdout, stderr } = await sett(verb, '--db', directory, '--workers', '0')
      const said = stdout + stderr.replace(/^verify .*\n/gm, '')
      lines.push(`$ sett ${verb} --db db`, plain(said, base), `exit ${code}`, '')
    }
    return `${[...lines.slice(0, -1), '```'].join('\n')}\n`
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}

function plain(text: string, base: string): string {
  return text
    .replaceAll(`${base}/`, '')
    .replaceAll(/[\d,.]+ MB free/g, '… MB free')
    .replaceAll(/\b[0-9a-f]{16}\b/g, '…')
    .trimEnd()
}
