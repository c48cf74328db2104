// How keys and values are written on the command line: utf8, hexadecimal or base64.
import { UsageError } from './terminal.ts'

export type TextForm = 'utf8' | 'hex' | 'base64'

export function textForm(flags: { readonly hex?: boolean; readonly base64?: boolean }): TextForm {
  if (flags.hex === true && flags.base64 === true) {
    throw new UsageError('--hex and --base64 exclude each other. Use one of them.')
  }
  return flags.hex === true ? 'hex' : flags.base64 === true ? 'base64' : 'utf8'
}

export function fromText(text: string, form: TextForm): Buffer {
  const bytes = Buffer.from(text, form)
  const whole =
    form === 'utf8' ||
    (form === 'hex' ? bytes.length * 2 === text.length : /^[\w+/-]*={0,2}$/.test(text))
  if (!whole) throw new UsageError(`An argument is not ${form}. Check it, or leave --${form} out.`)
  return bytes
}

export function toText(bytes: Uint8Array, form: TextForm): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(form)
}

/** The smallest byte string above every key with this prefix; undefined: there is none. */
export function afterPrefix(prefix: Uint8Array): Buffer | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end--
  if (end === 0) return undefined
  const bound = Buffer.from(prefix.subarray(0, end))
  bound[end - 1]! += 1
  return bound
}
