// Fails if the file that is named is no valid AsyncAPI document, schemas that it refers to included.
// Usage: check.mjs FOLDER-OF-NODE-MODULES DOCUMENT
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [modules, document] = process.argv.slice(2);
const { Parser, fromFile } = createRequire(`${resolve(modules)}/`)('@asyncapi/parser');
const parsed = await fromFile(new Parser(), document).parse();
// What is only advised (a licence's URL, a description) is severity 1 and above.
const errors = parsed.diagnostics.filter((it) => it.severity === 0);
for (const { path, message } of errors) console.error(`${document}: ${path.join('.')}: ${message}`);
if (errors.length > 0 || parsed.document === undefined) process.exit(1);
console.log(`${document}: AsyncAPI ${parsed.document.version()}, ${parsed.document.channels().all().length} channels`);
