import { describe, expect, test } from 'vitest'
import type { ManifestEdit } from '../../../src/format/manifest-edit.ts'
import { applyEdit, EMPTY_STATE, snapshotEdit } from '../../../src/manifest/apply-edit.ts'
import { EDITS, plain, table } from './manifest-support.ts'

describe('applyEdit', () => {
  const state = EDITS.reduce((before, edit) => applyEdit(before, edit), EMPTY_STATE)

  test('never changes the state it is given', () => {
    const before = JSON.stringify(plain(state))
    applyEdit(state, { walsDropped: [4], tablesRemoved: [{ level: 6, number: 6 }] })
    expect(JSON.stringify(plain(state))).toBe(before)
  })

  test('a snapshot makes the same state out of any other', () => {
    const again = applyEdit(applyEdit(EMPTY_STATE, EDITS[0]!), snapshotEdit(state))
    expect({ ...again, editNumber: 0 }).toEqual({ ...state, editNumber: 0 })
  })

  test('level 0 is newest first, marks only rise, numbers raise the next one', () => {
    const after = applyEdit(state, {
      tablesAdded: [
        { level: 0, table: table(20, 'a', 'b', 100) },
        { level: 0, table: table(21, 'a', 'b', 300) },
        { level: 0, table: table(22, 'c', 'd', 300) },
      ],
      lastVersion: 1,
      historyFloor: 1,
      nextFileNumber: 2,
    })
    expect(after.levels[0]!.map(({ number }) => number)).toEqual([22, 21, 20])
    expect(after).toMatchObject({ lastVersion: 50, historyFloor: 33, nextFileNumber: 23 })
  })

  test('a table moves by being removed and added in one edit', () => {
    const moved = applyEdit(state, {
      tablesRemoved: [{ level: 6, number: 6 }],
      tablesAdded: [{ level: 5, table: table(6, 'a', 'k') }],
    })
    expect(moved.levels[5]!.map(({ number }) => number)).toEqual([6])
    expect(moved.levels[6]!.map(({ number }) => number)).toEqual([7])
  })

  test('edits that contradict the state are refused', () => {
    const seal = { number: 4, length: 1, lastVersion: 1, digest: '0'.repeat(16) }
    const refused: [ManifestEdit, RegExp][] = [
      [{ tablesRemoved: [{ level: 5, number: 6 }] }, /not there/],
      [
        {
          tablesRemoved: [
            { level: 6, number: 6 },
            { level: 6, number: 6 },
          ],
        },
        /twice/,
      ],
      [{ tablesAdded: [{ level: 6, table: table(9, 'k', 'k') }] }, /overlap/],
      [{ tablesAdded: [{ level: 0, table: table(6, 'k', 'k') }] }, /twice/],
      [{ tablesAdded: [{ level: 0, table: table(4, 'k', 'k') }], walsAdded: [] }, /both/],
      [{ walsAdded: [{ number: 6, salt: '0'.repeat(16) }] }, /both/],
      [{ walsAdded: [{ number: 4, salt: '0'.repeat(16) }] }, /behind/],
      [{ walsAdded: [{ number: 3, salt: '0'.repeat(16) }] }, /behind/],
      [{ walsSealed: [{ ...seal, number: 5 }] }, /not there/],
      [{ walsSealed: [seal, seal] }, /twice/],
      [{ walsDropped: [4, 4] }, /not there/],
      [{ retentionFloorsRemoved: ['other'] }, /not there/],
    ]
    for (const [edit, reason] of refused) {
      expect(() => applyEdit(state, edit)).toThrow(reason)
      expect(() => applyEdit(state, edit)).toThrow(
        expect.objectContaining({ code: 'SETT_INTERNAL' }),
      )
    }
  })
})
