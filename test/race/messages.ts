// What the driver of a race and its processes say to each other.

export type RacerOrder =
  | {
      readonly kind: 'open'
      readonly directory: string
      readonly readOnly?: boolean
      readonly lock?: 'auto' | 'none'
      /** Wall clock, ms: the moment all begin. */
      readonly at?: number
    }
  /** Puts, durably. */
  | { readonly kind: 'put'; readonly key: string }
  /** Writes tables, in more than one level. */
  | { readonly kind: 'fill'; readonly entries: number }
  | { readonly kind: 'keys' }
  | { readonly kind: 'close' }

export type RacerReply =
  | { readonly done: true; readonly keys?: readonly string[] }
  | { readonly code: string; readonly message: string }
