# Sourced by ../shardmill: makes sure that what shardmill is built from is on this machine. Costs about 10 ms when it is.
#
# Sets SHARDMILL_VENV, the Python environment that holds LibTorch and Open MPI (empty: CMake looks elsewhere).

setup_home=${SHARDMILL_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/shardmill}

# The lines of a list without its comments.
entries() { grep -hv '^#' "$@"; }

missing_packages() {
  local present package
  present=$'\n'$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)$'\n'
  for package in "$@"; do
    [[ $present == *$'\n'"installed $package"$'\n'* ]] || echo "$package"
  done
}

ensure_packages() {  # files that list packages
  local wanted missing log=$setup_home/packages.log
  mapfile -t wanted < <(entries "$@")
  if ! command -v dpkg-query >/dev/null; then
    die "this is not a Debian system: install the equivalents of these packages, then set SHARDMILL_SKIP_SETUP=1: ${wanted[*]}"
  fi
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    die "packages are missing and only root can install them; ask an administrator for: apt-get install ${missing[*]}"
  fi
  say "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get update || true  # without a network the packages may still be in apt's cache
    apt-get install -y --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null || fail_with "$log" "apt-get could not install ${missing[*]}"
}

venv_is_complete() {  # folder: has every wheel of requirements.txt in its very version
  local requirement found
  [[ -x $1/bin/python ]] || return 1
  while read -r requirement; do
    found=("$1"/lib/python3*/site-packages/"${requirement/==/-}".dist-info/RECORD)
    [[ -e ${found[0]} ]] || return 1
  done < <(entries "$root/setup/requirements.txt")
}

# Made aside and renamed, so that under its own name it is always whole, and running jobs keep theirs until then.
make_venv() {
  local venv=$1 new=$1.new log=$setup_home/venv.log
  say "installing LibTorch and Open MPI into $venv (once; 3 GB to download, 5 GB on disk)"
  rm -rf "$new"
  {
    /usr/bin/python3 -m venv --prompt shardmill "$new" &&
      "$new/bin/python" -m pip install --disable-pip-version-check --retries 5 -r "$root/setup/requirements.txt" &&
      { grep -lIF "$new" "$new"/bin/* || true; } | xargs -r sed -i "s|$new|$venv|g"
  } >"$log" 2>&1 </dev/null || fail_with "$log" "pip could not install what setup/requirements.txt lists"
  rm -rf "$venv"
  mv "$new" "$venv"
}

ensure_environment() {  # files that list packages
  local venv=$setup_home/venv
  if [[ -n ${SHARDMILL_VENV:-} ]]; then
    SHARDMILL_VENV=$(realpath -m "$SHARDMILL_VENV")
    [[ -x $SHARDMILL_VENV/bin/python ]] || die "SHARDMILL_VENV is $SHARDMILL_VENV, where no Python environment is; unset it and one is made"
    export SHARDMILL_VENV
    return
  fi
  if [[ $preset == cluster ]] || { [[ -n ${Torch_ROOT:-} ]] && command -v mpicxx >/dev/null; }; then return; fi
  if [[ ${SHARDMILL_SKIP_SETUP:-0} == 0 ]] && ! { [[ -z $(missing_packages $(entries "$@")) ]] && venv_is_complete "$venv"; }; then
    mkdir -p "$setup_home"
    exec {lock}>"$setup_home/lock"
    flock -n "$lock" || { say "waiting for another set-up to end" && flock "$lock"; }
    ensure_packages "$@"
    venv_is_complete "$venv" || make_venv "$venv"
    exec {lock}>&-
  fi
  if [[ -d $venv ]]; then export SHARDMILL_VENV=$venv; fi
}
