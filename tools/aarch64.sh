#!/usr/bin/env bash
# The aarch64 wheel, cross-built on Debian, and the kernels' and layers' tests with it under QEMU: NEON does the work.
# For machines without an ARM processor; the workflows test on real ones. Usage: tools/aarch64.sh [FOLDER], as root.
# Needs Python 3.11, which Debian bookworm has, and the packages debootstrap gcc-aarch64-linux-gnu
# binutils-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(realpath -m "${1:-build/aarch64}")
root=$work/root # a Debian of that architecture: its Python, headers and libraries
python=python3.11
mkdir -p "$work"

if [ ! -x "$root/usr/bin/$python" ]; then
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-dev bookworm "$root"
    for package in "$root"/var/cache/apt/archives/*.deb; do dpkg -x "$package" "$root"; done
fi
# The system need not know of QEMU, as long as no test starts another Python; the one that does is left out below. The
# checkout, which has no kernels for ARM, is kept off the path.
emulated() {
    PYTHONHOME=$root/usr PYTHONPATH=$work/packages PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
        qemu-aarch64-static -L "$root" "$root/usr/bin/$python" "$@"
}

# what builds runs here, as Python of the same version; only the compiler and the headers are of the other architecture
[ -d "$work/venv" ] || "$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet build wheel cython 'setuptools>=77' numpy
headers="-I$root/usr/include/$python -I$root/usr/include/aarch64-linux-gnu/$python -I$root/usr/include"
env _PYTHON_HOST_PLATFORM=linux-aarch64 SETUPTOOLS_EXT_SUFFIX=.cpython-311-aarch64-linux-gnu.so \
    CC="aarch64-linux-gnu-gcc $headers" LDSHARED="aarch64-linux-gnu-gcc -shared" FASTGRU_BUILD_ISA=baseline \
    "$work/venv/bin/python" -m build --wheel --no-isolation --outdir "$work/dist" .
ls -l "$work"/dist/*aarch64.whl

# the wheels of its dependencies for that architecture
"$work/venv/bin/pip" install --quiet --upgrade --target "$work/packages" --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
    numpy scipy h5py rich threadpoolctl pytest
rm -rf "$work"/packages/fastgru*
"$work/venv/bin/python" -m zipfile -e "$work"/dist/*aarch64.whl "$work/packages"

# multiply-adds of four floats (two doubles) in each kernel: instructions of NEON, counted in the program
for kernels in "$work"/packages/fastgru/kernels/_float*_baseline*.so; do
    count=$(aarch64-linux-gnu-objdump -d "$kernels" | grep -cE '\sfml[as]\s+v[0-9]+\.(4s|2d)')
    echo "$(basename "$kernels"): $count vector multiply-adds"
    [ "$count" -ge 100 ]
done

emulated -m fastgru info
emulated -m pytest -q -p no:cacheprovider -m fast tests/kernels tests/layers/rnn tests/layers/core \
    --deselect tests/kernels/test_arrays.py::test_a_blas_with_another_signature_is_not_called "${@:2}"
