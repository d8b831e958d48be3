// The version of what is running; package.json says the same.

export const version = '0.1.0'
