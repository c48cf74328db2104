import { describe, expect, test } from 'vitest'
import {
  decodeEditPayload,
  encodeEditPayload,
  type ManifestEdit,
} from '../../../src/format/manifest-edit.ts'
import { applyEdit, EMPTY_STATE, snapshotEdit } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
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

  describe('segments', () => {
    const salt = '0'.repeat(16)
    const using = (number: number, ...uses: [number, number][]): TableMeta => ({
      ...table(number, 'p', 'q'),
      segments: uses.map(([segment, bytes]) => ({ number: segment, bytes })),
    })
    const added = applyEdit(state, {
      tablesAdded: [{ level: 0, table: using(30, [31, 808], [32, 40]) }],
      segmentsAdded: [
        { number: 32, size: 500, salt },
        { number: 31, size: 1_000, salt },
      ],
    })

    test('are kept by number, raise the next number, and are part of a snapshot', () => {
      expect(added.segments.map(({ number }) => number)).toEqual([31, 32])
      expect(added.nextFileNumber).toBe(33)
      expect(applyEdit(EMPTY_STATE, snapshotEdit(added))).toEqual({ ...added, editNumber: 1 })
      const snapshot = decodeEditPayload(encodeEditPayload(snapshotEdit(added)), 'f', 0)
      expect(applyEdit(EMPTY_STATE, snapshot)).toEqual({ ...added, editNumber: 1 })
    })

    test('may be there before anything refers to them, and go with what did', () => {
      const early = applyEdit(added, { segmentsAdded: [{ number: 40, size: 900, salt }] })
      expect(early.segments).toHaveLength(3)
      const collected = applyEdit(early, {
        tablesRemoved: [{ level: 0, number: 30 }],
        tablesAdded: [{ level: 0, table: using(41, [32, 40], [40, 704]) }],
        segmentsDropped: [31],
      })
      expect(collected.segments.map(({ number }) => number)).toEqual([32, 40])
      // A segment that is there for one edit only raises the number all the same.
      const brief = { segmentsAdded: [{ number: 50, size: 900, salt }], segmentsDropped: [50] }
      expect(applyEdit(collected, brief)).toMatchObject({
        segments: collected.segments,
        nextFileNumber: 51,
      })
    })

    test('that are missed, doubled, too small or taken are refused', () => {
      const refused: [ManifestEdit, RegExp][] = [
        [{ segmentsAdded: [{ number: 31, size: 900, salt }] }, /segment 31 is there twice/],
        [{ segmentsDropped: [33] }, /segment 33 is dropped but not there/],
        [{ segmentsDropped: [31, 31] }, /segment 31 is dropped but not there/],
        [{ segmentsDropped: [31] }, /table 30 refers to segment 31, which is not there/],
        [{ segmentsAdded: [{ number: 30, size: 900, salt }] }, /file 30 is of two kinds/],
        [{ segmentsAdded: [{ number: 4, size: 900, salt }] }, /file 4 is of two kinds/],
        [{ walsAdded: [{ number: 31, salt }] }, /file 31 is of two kinds/],
        [{ tablesAdded: [{ level: 1, table: using(32) }] }, /file 32 is of two kinds/],
        [
          { tablesAdded: [{ level: 1, table: using(41, [33, 8]) }] },
          /table 41 refers to segment 33, which is not there/,
        ],
        [
          { tablesAdded: [{ level: 1, table: using(41, [32, 309]) }] },
          /table 41 refers to more than segment 32 holds/,
        ],
      ]
      for (const [edit, reason] of refused) {
        expect(() => applyEdit(added, edit), `${reason}`).toThrow(reason)
      }
      const whole = { tablesAdded: [{ level: 1, table: using(41, [32, 308]) }] }
      expect(applyEdit(added, whole).levels[1]).toHaveLength(1)
    })
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
      [{ tablesAdded: [{ level: 0, table: table(4, 'k', 'k') }], walsAdded: [] }, /two kinds/],
      [{ walsAdded: [{ number: 6, salt: '0'.repeat(16) }] }, /two kinds/],
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
