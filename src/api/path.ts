// A field of the daemon's file that names a file or folder.

import { Refusal } from '../resources/problem.ts'
import { field } from '../resources/schema.ts'

export const path = () =>
  field('path', value =>
    typeof value === 'string' && value !== ''
      ? value
      : new Refusal(
          'is not a path',
          'It names a file or folder.',
          'Write an absolute path, or one relative to this file.',
        ),
  )
