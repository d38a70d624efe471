
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'czip' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'czip'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'czip' {
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('compress', 'compress', [CompletionResultType]::ParameterValue, 'Compress texts or any files: notes.txt becomes notes.txt.czip')
            [CompletionResult]::new('decompress', 'decompress', [CompletionResultType]::ParameterValue, 'Restore files: notes.txt.czip becomes notes.txt')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Show what is in compressed files and models')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check that files round-trip, and compare their sizes with other compressors')
            [CompletionResult]::new('bench', 'bench', [CompletionResultType]::ParameterValue, 'Benchmark sizes, speed and memory on texts, beside other compressors')
            [CompletionResult]::new('train', 'train', [CompletionResultType]::ParameterValue, 'Train a model on your own texts')
            [CompletionResult]::new('adapt', 'adapt', [CompletionResultType]::ParameterValue, 'Fit a model''s mixing to your texts, in a minute or two; its net does not change')
            [CompletionResult]::new('import', 'import', [CompletionResultType]::ParameterValue, 'Make a model of the weights of an open language model, in integers')
            break
        }
        'czip;compress' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--tokenizer', '--tokenizer', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model''s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model''s context]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model''s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model''s context]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: v2 is czip''s own, v1 is CZIPv1 [default: v2, or v1 with -c]')
            [CompletionResult]::new('--segment', '--segment', [CompletionResultType]::ParameterName, 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 1M; 4M at level 9]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'File to read; - is standard input')
            [CompletionResult]::new('--input', '--input', [CompletionResultType]::ParameterName, 'File to read; - is standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output file, for a single input; - is standard output [default: the input''s name with .czip added or removed, or - if the input is -]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output file, for a single input; - is standard output [default: the input''s name with .czip added or removed, or - if the input is -]')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--no-index', '--no-index', [CompletionResultType]::ParameterName, 'v2: omit the index at the end of the file, which makes seeking possible')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite existing outputs')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite existing outputs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;decompress' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--tokenizer', '--tokenizer', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--max-output', '--max-output', [CompletionResultType]::ParameterName, 'Refuse files that restore to more text than this, such as 500M or 2G')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'File to read; - is standard input')
            [CompletionResult]::new('--input', '--input', [CompletionResultType]::ParameterName, 'File to read; - is standard input')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Output file, for a single input; - is standard output [default: the input''s name with .czip added or removed, or - if the input is -]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Output file, for a single input; - is standard output [default: the input''s name with .czip added or removed, or - if the input is -]')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--recover', '--recover', [CompletionResultType]::ParameterName, 'Restore whatever is intact in damaged czip v2 files, and report which parts of the text are missing')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite existing outputs')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite existing outputs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;info' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Model to check the files against; may be repeated')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model to check the files against; may be repeated')
            [CompletionResult]::new('--max-output', '--max-output', [CompletionResultType]::ParameterName, 'Refuse files that restore to more text than this, such as 500M or 2G')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'Memory limit for restoring a file, not counting models, such as 256M; with less memory, fewer segments are decoded in parallel [default: 16G]')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one line of JSON for each file')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;verify' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--tokenizer', '--tokenizer', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model''s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model''s context]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'Compression level, from 1 (fastest) to 9 (smallest); 4 and up run the model''s net. In v1, 1 to 5 select chunks of 64, 128, 256, 512 or 1024 tokens [default: 5; in v1, chunks as long as the model''s context]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Output format: v2 is czip''s own, v1 is CZIPv1 [default: v2, or v1 with -c]')
            [CompletionResult]::new('--segment', '--segment', [CompletionResultType]::ParameterName, 'v2: maximum segment size, such as 64K or 1M; segments are independent, and longer ones compress better [default: 1M; 4M at level 9]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--no-index', '--no-index', [CompletionResultType]::ParameterName, 'v2: omit the index at the end of the file, which makes seeking possible')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one line of JSON for each file')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;bench' {
            [CompletionResult]::new('-m', '-m', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model file; or standard, the built-in English model; or none, to use no model. When restoring, it may be repeated or name a folder of models, since each file records which one it needs [default: CZIP_MODEL, else standard; v1 has no default]')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--tokenizer', '--tokenizer', [CompletionResultType]::ParameterName, 'Use this tokenizer instead of the model''s own')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Benchmark only this format [default: both]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'v1: outer codec, brotli or zstd [default: brotli]')
            [CompletionResult]::new('-L', '-L ', [CompletionResultType]::ParameterName, 'Benchmark only this level [default: all]')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'Benchmark only this level [default: all]')
            [CompletionResult]::new('--segment', '--segment', [CompletionResultType]::ParameterName, 'Maximum segment size, such as 64K or 1M [default: 1M; 4M at level 9]')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one line of JSON for each file and one for the total')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;train' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Model file to write. The training curve is written beside it, as MODEL.csv and MODEL.svg, and until the model is finished, MODEL.checkpoint')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Model file to write. The training curve is written beside it, as MODEL.csv and MODEL.svg, and until the model is finished, MODEL.checkpoint')
            [CompletionResult]::new('--preset', '--preset', [CompletionResultType]::ParameterName, 'Size of the net: fast, standard or large')
            [CompletionResult]::new('--vocab', '--vocab', [CompletionResultType]::ParameterName, 'Tokens in the vocabulary, 258 to 65536 [default: as suits the preset]')
            [CompletionResult]::new('--split', '--split', [CompletionResultType]::ParameterName, 'How text is split before tokens are formed: text, code, logs or cjk [default: chosen by the text]')
            [CompletionResult]::new('--minutes', '--minutes', [CompletionResultType]::ParameterName, 'Minutes to train')
            [CompletionResult]::new('--tokens', '--tokens', [CompletionResultType]::ParameterName, 'Tokens to train on, each counted every time it is seen, instead of a time; the same texts, options and number of threads then give the same model')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Start from this model, keeping its sizes and its tokenizer')
            [CompletionResult]::new('--device', '--device', [CompletionResultType]::ParameterName, 'Device that computes the gradients; gpu needs a build with the feature of that name')
            [CompletionResult]::new('--heldout', '--heldout', [CompletionResultType]::ParameterName, 'Text to hold out and measure with: a share such as 0.05, or a file or folder')
            [CompletionResult]::new('--field', '--field', [CompletionResultType]::ParameterName, 'NDJSON, CSV and TSV: the field or column that holds the text of a document')
            [CompletionResult]::new('--separator', '--separator', [CompletionResultType]::ParameterName, 'Line that ends a document')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed for everything that is chosen at random')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name to record in the model')
            [CompletionResult]::new('--licence', '--licence', [CompletionResultType]::ParameterName, 'Licence to record in the model')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite outputs that exist, and start over where an interrupted run could be resumed; inputs are never overwritten')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite outputs that exist, and start over where an interrupted run could be resumed; inputs are never overwritten')
            [CompletionResult]::new('--new-tokenizer', '--new-tokenizer', [CompletionResultType]::ParameterName, 'With --from: train a new tokenizer')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Resume an interrupted run from MODEL.checkpoint; the texts and all options must be the same')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;adapt' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Model file to write')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Model file to write')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'Amount of text to learn from, such as 500K or 4M; more takes longer [default: 1000000]')
            [CompletionResult]::new('--heldout', '--heldout', [CompletionResultType]::ParameterName, 'Text to hold out and measure with: a share such as 0.05, or a file or folder')
            [CompletionResult]::new('--field', '--field', [CompletionResultType]::ParameterName, 'NDJSON, CSV and TSV: the field or column that holds the text of a document')
            [CompletionResult]::new('--separator', '--separator', [CompletionResultType]::ParameterName, 'Line that ends a document')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed for everything that is chosen at random')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name to record in the model')
            [CompletionResult]::new('--licence', '--licence', [CompletionResultType]::ParameterName, 'Licence to record in the model')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite the output if it exists; inputs are never overwritten')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite the output if it exists; inputs are never overwritten')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'czip;import' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Model file to write')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Model file to write')
            [CompletionResult]::new('--window', '--window', [CompletionResultType]::ParameterName, 'Tokens that attention reaches back, besides the first four of a segment; more takes more time and memory, for smaller files [default: 1024]')
            [CompletionResult]::new('--sinks', '--sinks', [CompletionResultType]::ParameterName, 'First positions of a segment that stay in view, besides the window')
            [CompletionResult]::new('--wide-inputs', '--wide-inputs', [CompletionResultType]::ParameterName, 'Matrices that take inputs of 16 bits, such as qkv,down, among qkv, out, gate_up, down and head; or none. More takes more time, for slightly smaller files')
            [CompletionResult]::new('--start-token', '--start-token', [CompletionResultType]::ParameterName, 'Number of the token that a text begins with [default: the one that the model names]')
            [CompletionResult]::new('--calibrate', '--calibrate', [CompletionResultType]::ParameterName, 'Fit the mixing priors to this text, as adapt does: a file, folder or pattern; may be repeated')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'With --calibrate: amount of text to learn from, such as 500K; more takes longer [default: 300000]')
            [CompletionResult]::new('--measure', '--measure', [CompletionResultType]::ParameterName, 'Text to compare the net in integers with the one in floats on, up to 20,000 tokens; else a page of the program''s is taken, 256 tokens of it')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name to record in the model')
            [CompletionResult]::new('--licence', '--licence', [CompletionResultType]::ParameterName, 'Licence to record in the model')
            [CompletionResult]::new('-T', '-T ', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Number of threads, up to 1024; 0 means one per core')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Overwrite the output if it exists; inputs are never overwritten')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Overwrite the output if it exists; inputs are never overwritten')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print errors only')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Print more details')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
