/* uwc: unit-wise calibration of convolutional networks. Includes the public header of every module; none of them includes mpi.h. */
#ifndef UWC_UWC_H
#define UWC_UWC_H

#include <uwc/backward.h>
#include <uwc/base.h>
#include <uwc/config.h>
#include <uwc/eval.h>
#include <uwc/gradient.h>
#include <uwc/graph.h>
#include <uwc/json.h>
#include <uwc/linalg.h>
#include <uwc/onnx.h>
#include <uwc/ops.h>
#include <uwc/par.h>
#include <uwc/quant.h>
#include <uwc/recon.h>
#include <uwc/report.h>
#include <uwc/sched.h>
#include <uwc/store.h>
#include <uwc/tensor.h>
#include <uwc/version.h>

#endif
