"""A Slurm cluster of three nodes on this machine, from real daemons, for one test run.

munged, slurmctld and one slurmd a node run in a temporary folder on loopback, under pids that are kept in files there.
Nothing outside of the folder is touched, so it runs beside an installed Slurm. A machine that is too busy to answer for
a while is not a lost node: Slurm's own limits are far above what any test takes, and the tests say themselves which node
is lost and when.
"""
import datetime
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import wait_for

PROGRAMS = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
NODES = ("n1", "n2", "n3")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MailProg=/bin/true
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
JobRequeue=1
ReturnToService=2
SlurmdTimeout=600
SlurmctldTimeout=600
KillWait=5
MessageTimeout=100
BatchStartTimeout=100
TCPTimeout=30
MinJobAge=600
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
GresTypes=gpu
NodeName=n[1-3] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{node_ports}] CPUs=4 RealMemory=1000 Gres=gpu:4
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=10 PreemptMode=off
"""


def why_not():
    """Why this machine cannot have the cluster, or None."""
    missing = sorted({package for program, package in PROGRAMS.items() if find(program) is None})
    if missing:
        return "Slurm is not installed: apt-get install " + " ".join(missing)
    if os.geteuid() != 0:
        return "the daemons of the test cluster run as root"
    return None


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_ports(count):
    """The first of so many in a row, below the range from which systems hand out ports by themselves."""
    while True:
        first = random.randrange(16000, 30000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


def is_running(pid, name):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" and pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name
    except OSError:
        return False


def words_of(line):
    """What scontrol tells of one job."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def seconds_until(time_of_slurm):
    return (datetime.datetime.fromisoformat(time_of_slurm) - datetime.datetime.now()).total_seconds()


class Cluster:
    def __init__(self):
        self.restart_delay = 2  # seconds
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardmill-slurm-"))
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        for name in [name for name in self.environment if name.startswith("SLURM_JOB")]:
            del self.environment[name]

    def start(self, private=None):
        """private: a folder of which n2 and n3 have one of their own, an empty one, under its name."""
        (self.folder / "state").mkdir()
        port = free_ports(1 + len(NODES))
        text = CONFIGURATION.format(folder=self.folder, controller_port=port, node_ports=f"{port + 1}-{port + 3}")
        (self.folder / "slurm.conf").write_text(text)
        # So many GPUs as batch scripts ask for; there is no device behind them.
        for number in range(4):
            (self.folder / f"gpu{number}").touch()
        (self.folder / "gres.conf").write_text(f"NodeName=n[1-3] Name=gpu File={self.folder}/gpu[0-3]\n")
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        self.run(find("munged"), f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                 f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                 f"--seed-file={self.folder}/munged.seed", "--num-threads=2", "--force")
        self.run(find("slurmctld"), "-c", "-i")
        for node in NODES:
            apart = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {private}; exec "$@"', "sh"]
            self.run(*(apart if private and node != "n1" else []), find("slurmd"), "-N", node)
        wait_for(lambda: self.idle_nodes() == 3, 120, "three idle nodes")

    def run(self, *words, check=True, **options):
        done = subprocess.run([str(word) for word in words], env=self.environment, capture_output=True, text=True,
                              timeout=120, check=False, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout.strip()

    def idle_nodes(self):
        return int(self.run("sinfo", "-h", "-o", "%D", "-t", "idle", check=False) or 0)

    def set_node(self, node, state):
        if state == "down":
            self.restart_delay = 12  # nobody ends what still runs on a node that is not there
        self.run("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def job(self, number):
        """What Slurm says about a job, by its own names."""
        return words_of(self.run("scontrol", "-o", "show", "job", number, check=False))

    def let_start(self):
        """Slurm has a job that was queued again wait for two minutes, until the credential of its last start has expired.
        It takes one of a later second as well, so a few seconds do."""
        for line in self.run("scontrol", "-o", "show", "job", check=False).splitlines():
            job = words_of(line)
            if job.get("Reason") == "BeginTime" and seconds_until(job["EligibleTime"]) > self.restart_delay + 5:
                self.run("scontrol", "update", f"jobid={job['JobId']}", f"StartTime=now+{self.restart_delay}", check=False)

    def wait_state(self, number, *states, seconds=300):
        def reached():
            job = self.job(number)
            if job.get("JobState") in states:
                return job
            self.let_start()
            time.sleep(0.2)  # what asks too often slows down what it waits for
            return None
        try:
            return wait_for(reached, seconds, f"job {number}: {' or '.join(states)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.job(number).get('JobState')}") from None

    def log_end(self, lines=40):
        """The last lines of the controller's log, for messages."""
        return "".join(open(self.folder / "slurmctld.log", encoding="utf-8").readlines()[-lines:])

    def stop(self):
        """All at once: one after the other they wait for each other."""
        names = {"slurmctld": ["slurmctld.pid"], "slurmd": [f"slurmd-{node}.pid" for node in NODES],
                 "munged": ["munged.pid"]}
        self.run("scancel", "--full", "--signal=KILL", "--state=RUNNING", "--user=root", check=False)
        running = []
        for name, files in names.items():
            for file in files:
                try:
                    pid = int((self.folder / file).read_text())
                except (OSError, ValueError):
                    continue
                if is_running(pid, name):
                    running.append((pid, name))
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid, name in running:
                if is_running(pid, name):
                    os.kill(pid, number)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and any(is_running(*daemon) for daemon in running):
                time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)
