#!/bin/sh
# Each folder of src/ includes only itself and those before it in the list; tools/ only the public headers and its
# own; OpenCL's headers are seen by src/device alone. Prints every line that breaks this.
set -u
cd "$(dirname "$0")/.." || exit 1

order="base hub device tensor ops model format data train bench report"
offences=$(mktemp) || exit 1
trap 'rm -f "$offences"' EXIT

allowed=
for folder in $order; do
    allowed="${allowed:+$allowed|}$folder"
    # A quoted include is one of ours; generated ones (onnx.pb-c.h) lie in no folder.
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]*/' "src/$folder" --include='*.[ch]' 2>/dev/null |
        grep -vE "include[[:space:]]+\"($allowed)/" >>"$offences"
done
grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"[^"]*/' tools --include='*.[ch]' >>"$offences"
grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' include --include='*.h' >>"$offences"
grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](CL/|OpenCL/|clblast)' src tools include tests \
    --include='*.[ch]' | grep -v '^src/device/' >>"$offences"

# A folder that the order does not know would go unchecked.
for path in src/*/; do
    case " $order " in
    *" $(basename "$path") "*) ;;
    *) echo "$path: not in the order of tests/check_layers.sh" >>"$offences" ;;
    esac
done

if [ -s "$offences" ]; then
    cat "$offences"
    echo "0 passed, $(wc -l <"$offences") failed, 0 skipped"
    exit 1
fi
echo "1 passed, 0 failed, 0 skipped"
