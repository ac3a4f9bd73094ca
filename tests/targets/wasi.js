// wasi.js program.wasm: runs it with node's WASI and ends with its status.
'use strict';
process.removeAllListeners('warning'); // that WASI is new
const { readFile } = require('fs/promises');
const { WASI } = require('wasi');

(async () => {
    const wasi = new WASI({ version: 'preview1', args: process.argv.slice(2) });
    const module = await WebAssembly.compile(await readFile(process.argv[2]));
    const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
    process.exit(wasi.start(instance));
})();
