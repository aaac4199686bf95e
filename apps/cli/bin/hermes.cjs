#!/usr/bin/env node
// Executable as committed: what the compiler writes is not, and npm links it before it is there.
require('../dist/main.js');
