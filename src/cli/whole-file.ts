// Files that are there whole or not at all, and their folders.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Writes beside the place, durably, and moves it there. */
export function place(path: string, write: (half: string) => void): void {
  const half = join(dirname(path), `.${process.pid}.margay-half`)
  try {
    write(half)
    sync(half)
    renameSync(half, path)
    sync(dirname(path))
  } finally {
    rmSync(half, { force: true })
  }
}

/** With those above it. Not by `recursive`: Node never ends where the kernel says ENOENT in a folder that is there (/proc). */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (path !== dirname(path)) makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
