#!/usr/bin/env python3
"""Makes the golden ONNX files: onnx/<case>.onnx, the outputs that ONNX Runtime gives in onnx/<case>.out, and the table onnx/cases.txt.

Needs the packages numpy, onnx and onnxruntime; the tests need only the files. The input of every case is input_of(shape), which the test computes
too. A line of the table is "name ok" or "name STATUS text that the message holds".
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parent / "onnx"
BATCH = 2
table = []


def input_of(shape):
    """Exact in float32: multiples of 2^-22 in [-2, 2)."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint64)
    bits = (index * np.uint64(2654435761) % np.uint64(1 << 32)) >> np.uint64(8)
    return ((bits.astype(np.float64) - 2.0**23) / 2.0**22).astype(np.float32).reshape(shape)


def weights(*shape, seed=1, scale=0.5):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(",") if inputs else [], outputs.split(","), **attributes)


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def ints(name, *value):
    return tensor(name, np.array(value, np.int64))


def scalar(name, value):
    return tensor(name, np.float32(value))


def ir_of(opset):
    return 3 if opset < 9 else 4 if opset < 10 else 5 if opset < 11 else 6 if opset < 12 else 7 if opset < 15 else 8 if opset < 19 else 9 if opset < 21 else 10


def make(nodes, inits, shape, opset=13, ir=None, out="y", batch="N", inputs=None):
    ir = ir or ir_of(opset)
    x = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch] + list(shape[1:]))] if inputs is None else inputs
    if ir == 3:  # every initializer is an input too
        x = x + [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in inits]
    y = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in out.split(",")]
    graph = helper.make_graph(nodes, "golden", x, y, inits)
    return helper.make_model(graph, ir_version=ir, opset_imports=[helper.make_opsetid("", opset)], producer_name="golden")


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def save(name, model):
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def good(name, nodes, inits=(), shape=(1, 4, 6, 6), reference=None, check=True, **how):
    """A case that imports and computes what ONNX Runtime does, on the reference model where the file is not strictly typed."""
    batch = BATCH if how.get("batch", "N") == "N" else 1
    model = make(nodes, list(inits), shape, **how)
    result = run(reference or model, input_of((batch,) + tuple(shape[1:])))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"] + list(result.shape[1:])))
    if check:
        onnx.checker.check_model(model)
    save(name, model)
    result.astype("<f4").tofile(FOLDER / f"{name}.out")
    table.append(f"{name} ok")


def bad(name, status, text, nodes, inits=(), shape=(1, 4, 6, 6), change=None, **how):
    """A case that is refused with this status and text."""
    model = make(nodes, list(inits), shape, **how)
    if change:
        change(model)
    save(name, model)
    table.append(f"{name} {status} {text}")


def windows():
    w, b = tensor("w", weights(6, 4, 3, 3)), tensor("b", weights(6, seed=2))
    conv = lambda **a: [node("Conv", "x,w,b", "y", **a)]
    good("conv", conv(kernel_shape=[3, 3], pads=[1, 1, 1, 1]), [w, b])
    good("conv_plain", [node("Conv", "x,w", "y")], [w])
    good("conv_stride_asymmetric", conv(strides=[2, 2], pads=[0, 0, 1, 1]), [w, b])
    good("conv_pads_all_differ", conv(pads=[0, 1, 2, 3]), [w, b], shape=(1, 4, 6, 5))
    good("conv_dilation", conv(dilations=[2, 2], pads=[2, 2, 2, 2]), [w, b])
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        good(f"conv_{mode.lower()}", conv(auto_pad=mode, strides=[2, 2]), [w, b], shape=(1, 4, 7, 6))
    good("conv_groups", [node("Conv", "x,w,b", "y", group=2, pads=[1, 1, 1, 1])], [tensor("w", weights(6, 2, 3, 3)), b])
    good("conv_depthwise", [node("Conv", "x,w", "y", group=4)], [tensor("w", weights(4, 1, 3, 3))])
    good("conv_kernel_not_square", [node("Conv", "x,w", "y", pads=[0, 2, 0, 2])], [tensor("w", weights(3, 4, 1, 5))])
    good("conv_added_bias", [node("Conv", "x,w", "p"), node("Add", "c,p", "y")], [w, tensor("c", weights(1, 6, 1, 1))])
    good("conv_shared_weights", [node("Conv", "x,w,b", "p", pads=[1, 1, 1, 1]), node("Conv", "x,w,b", "q", pads=[1, 1, 1, 1], dilations=[1, 1]),
                                 node("Add", "p,q", "y")], [w, b])
    pool = dict(kernel_shape=[3, 3], strides=[2, 2])
    for opset in (7, 8, 10, 11, 12, 13, 19):
        good(f"max_pool_{opset}", [node("MaxPool", "x", "y", pads=[1, 1, 1, 1], **pool)], opset=opset)
    good("max_pool_ceil", [node("MaxPool", "x", "y", ceil_mode=1, **pool)])
    good("max_pool_same", [node("MaxPool", "x", "y", auto_pad="SAME_UPPER", **pool)])
    good("max_pool_unused_indices", [node("MaxPool", "x", "y,indices", **pool)])
    good("average_pool", [node("AveragePool", "x", "y", pads=[1, 1, 1, 1], **pool)])
    good("average_pool_include_pad", [node("AveragePool", "x", "y", pads=[1, 1, 1, 1], count_include_pad=1, **pool)])
    good("average_pool_ceil", [node("AveragePool", "x", "y", ceil_mode=1, kernel_shape=[2, 2], strides=[2, 2])], shape=(1, 4, 7, 7), opset=19)
    good("average_pool_7", [node("AveragePool", "x", "y", kernel_shape=[2, 3])], opset=7)
    good("global_average_pool", [node("GlobalAveragePool", "x", "y")])


def linear():
    flat, k, n = (1, 5), 5, 3
    w, b = weights(n, k), weights(n, seed=2)
    good("gemm", [node("Gemm", "x,w,b", "y", transB=1)], [tensor("w", w), tensor("b", b)], shape=flat)
    good("gemm_alpha_beta", [node("Gemm", "x,w,b", "y", alpha=0.5, beta=2.0)], [tensor("w", w.T.copy()), tensor("b", b)], shape=flat)
    good("gemm_scalar_bias", [node("Gemm", "x,w,b", "y", transB=1)], [tensor("w", w), scalar("b", 0.25)], shape=flat)
    good("gemm_row_bias", [node("Gemm", "x,w,b", "y", transB=1)], [tensor("w", w), tensor("b", b[None])], shape=flat)
    good("gemm_no_bias", [node("Gemm", "x,w", "y", transB=1)], [tensor("w", w)], shape=flat, opset=11)
    good("gemm_7", [node("Gemm", "x,w,b", "y", transB=1)], [tensor("w", w), tensor("b", b)], shape=flat, opset=7)
    good("matmul", [node("MatMul", "x,w", "y")], [tensor("w", w.T.copy())], shape=flat)
    good("matmul_bias", [node("MatMul", "x,w", "p"), node("Add", "p,b", "y")], [tensor("w", w.T.copy()), tensor("b", b)], shape=flat)
    good("matmul_rank_3", [node("MatMul", "x,w", "p"), node("Add", "b,p", "y")], [tensor("w", w.T.copy()), tensor("b", b)], shape=(1, 4, 5))
    good("matmul_read_twice", [node("MatMul", "x,w", "p"), node("Add", "p,b", "q"), node("Mul", "p,q", "y")],
         [tensor("w", w.T.copy()), tensor("b", b)], shape=flat)
    good("matmul_transposed_constant", [node("Transpose", "w", "t", perm=[1, 0]), node("MatMul", "x,t", "y")], [tensor("w", w)], shape=flat)


def pointwise():
    for kind in ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Identity"):
        good(kind.lower(), [node(kind, "x", "y")])
    good("leakyrelu_alpha", [node("LeakyRelu", "x", "y", alpha=0.3)])
    good("clip_attributes", [node("Clip", "x", "y", min=-0.5, max=1.0)], opset=10)
    good("clip_attribute_max", [node("Clip", "x", "y", max=1.0)], opset=7)
    good("clip_inputs", [node("Clip", "x,a,b", "y")], [scalar("a", -0.5), scalar("b", 1)], opset=11)
    good("clip_input_max", [node("Clip", "x,,b", "y")], [scalar("b", 1)])
    good("clip_input_infinite", [node("Clip", "x,a,b", "y")], [scalar("a", 0), scalar("b", np.inf)])
    good("softmax_old", [node("Softmax", "x", "y")], shape=(1, 7), opset=11)
    good("softmax_old_ones_behind", [node("Softmax", "x", "y", axis=1)], shape=(1, 7, 1, 1), opset=9)
    good("softmax_new", [node("Softmax", "x", "y")], shape=(1, 3, 7))
    good("softmax_axis", [node("Softmax", "x", "y", axis=1)])
    for kind in ("Add", "Sub", "Mul"):
        low = kind.lower()
        good(f"{low}_channels", [node(kind, "x,c", "y")], [tensor("c", weights(4, 1, 1))])
        good(f"{low}_constant_first", [node(kind, "c,x", "y")], [scalar("c", 1.5)], opset=7)
        good(f"{low}_activations", [node("Relu", "x", "r"), node(kind, "x,r", "y")])
        good(f"{low}_squeeze_excite", [node("GlobalAveragePool", "x", "g"), node(kind, "x,g", "y")])
    good("mul_shared_constant", [node("Mul", "x,c", "p"), node("Add", "p,c", "q"), node("Mul", "q,c", "y")], [tensor("c", weights(1, 4, 1, 1))])
    norm = [tensor(name, value) for name, value in zip("sbmv", (weights(4), weights(4, seed=2), weights(4, seed=3), abs(weights(4, seed=4)) + 0.1))]
    for opset in (7, 9, 14, 15):
        good(f"batch_norm_{opset}", [node("BatchNormalization", "x,s,b,m,v", "y", epsilon=1e-3)], norm, opset=opset)
    good("batch_norm_behind_conv", [node("Conv", "x,w", "c"), node("BatchNormalization", "c,s,b,m,v", "n"), node("Relu", "n", "y")],
         norm + [tensor("w", weights(4, 4, 3, 3))])
    good("dropout_7", [node("Dropout", "x", "y,mask", ratio=0.4)], opset=7)
    good("dropout_13", [node("Dropout", "x,ratio,training", "y")], [scalar("ratio", 0.4), tensor("training", np.array(False))])


def shapes():
    good("concat", [node("Relu", "x", "r"), node("Concat", "x,r,x", "y", axis=1)])
    good("concat_last", [node("Relu", "x", "r"), node("Concat", "x,r", "y", axis=-1)])
    good("reduce_mean_attribute", [node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)], opset=11)
    good("reduce_mean_keep", [node("ReduceMean", "x", "y", axes=[-1, -2])])
    good("reduce_mean_input", [node("ReduceMean", "x,a", "y", keepdims=1)], [ints("a", 1)], opset=18)
    good("reduce_mean_nothing", [node("ReduceMean", "x", "y", noop_with_empty_axes=1)], opset=18)
    good("flatten", [node("Flatten", "x", "y")])
    good("flatten_negative", [node("Flatten", "x", "y", axis=-3)])
    good("reshape_copy", [node("Reshape", "x,s", "y")], [ints("s", 0, 2, -1)])
    good("reshape_open_batch", [node("Reshape", "x,s", "y")], [ints("s", -1, 144)], opset=7)
    good("transpose", [node("Transpose", "x", "y", perm=[0, 2, 3, 1])])
    good("slice_attributes", [node("Slice", "x", "y", starts=[1, 0], ends=[9999, -1], axes=[2, 3])], opset=9)
    good("slice_inputs", [node("Slice", "x,s,e,a,t", "y")], [ints("s", 1, -4), ints("e", 2**62, -1), ints("a", -1, 1), ints("t", 2, 1)])
    good("slice_int32", [node("Slice", "x,s,e,a", "y")], [tensor(n, np.array([v], np.int32)) for n, v in (("s", 1), ("e", 3), ("a", 1))], opset=10)
    good("slice_no_axes", [node("Slice", "x,s,e", "y")], [ints("s", 0, 1), ints("e", 2**31 - 1, 3)])
    good("pad_attributes", [node("Pad", "x", "y", pads=[0, 1, 2, 0, 0, 0, 1, 3], value=0.5)], opset=10)
    good("pad_inputs", [node("Pad", "x,p,v", "y")], [ints("p", 0, 1, 2, 0, 0, 0, 1, 3), scalar("v", -1)])
    good("pad_empty_value", [node("Pad", "x,p,", "y", mode="constant")], [ints("p", 0, 2, 0, 0, 0, 2, 0, 0)])
    good("pad_axes", [node("Pad", "x,p,,a", "y")], [ints("p", 1, 2, 3, 0), ints("a", 3, 1)], opset=18)
    good("squeeze_attribute", [node("GlobalAveragePool", "x", "g"), node("Squeeze", "g", "y", axes=[2, 3])], opset=11)
    good("squeeze_input", [node("GlobalAveragePool", "x", "g"), node("Squeeze", "g,a", "y")], [ints("a", -1, -2)])
    good("unsqueeze_attribute", [node("Unsqueeze", "x", "y", axes=[1])], opset=11, shape=(1, 4, 3))
    good("unsqueeze_input", [node("Unsqueeze", "x,a", "y")], [ints("a", 1, -1)], shape=(1, 4, 3))


def constants():
    add = lambda name, **value: [node("Constant", "", "c", **value), node("Add", "x,c", "y")]
    good("constant_value", add("c", value=tensor("", weights(4, 1, 1))))
    good("constant_float", add("c", value_float=0.5), opset=12)
    good("constant_floats", add("c", value_floats=[0.5, 1, 2, 3, 4, 5]), opset=12)
    good("constant_ints", [node("Constant", "", "s", value_ints=[0, -1]), node("Reshape", "x,s", "y")])
    good("constant_int", [node("Constant", "", "i", value_int=1), node("Unsqueeze", "i,zero", "a"), node("Unsqueeze", "x,a", "y")],
         [ints("zero", 0)], shape=(1, 4, 3))
    good("chain_view", [node("Shape", "x", "s"), node("Gather", "s,zero", "n", axis=0), node("Unsqueeze", "n,axis", "u"),
                        node("Concat", "u,rest", "t", axis=0), node("Reshape", "x,t", "y")],
         [tensor("zero", np.int64(0)), ints("axis", 0), ints("rest", -1)])
    good("chain_arithmetic", [
        node("Shape", "x", "s"), node("Slice", "s,one,four,zero", "hw"), node("Cast", "hw", "f", to=TensorProto.FLOAT),
        node("Mul", "f,half", "m"), node("Floor", "m", "l"), node("Cast", "l", "i", to=TensorProto.INT64),
        node("Div", "i,one", "d"), node("Add", "d,d", "a"), node("Sub", "a,d", "e"),
        node("Slice", "x,start,e,axes", "y")],
         [ints("one", 1), ints("four", 4), ints("zero", 0), scalar("half", 0.51), ints("start", 0, 0, 0), ints("axes", 1, 2, 3)])
    good("chain_shape_range", [node("Shape", "x", "s", start=1, end=3), node("Gather", "s,one", "s2"), node("Squeeze", "s2,zero", "q"),
                               node("Unsqueeze", "q,zero", "u"), node("Concat", "batch,u,open", "t", axis=0), node("Reshape", "x,t", "y")],
         [ints("zero", 0), ints("one", 1), ints("batch", 0), ints("open", -1)], opset=15)
    good("chain_constant_of_shape", [node("ConstantOfShape", "s", "c", value=tensor("", np.array([0.75], np.float32))), node("Add", "x,c", "y")],
         [ints("s", 4, 1, 1)])
    good("chain_reshaped_constant", [node("Reshape", "c,s", "r"), node("Identity", "r", "i"), node("Mul", "x,i", "y")],
         [tensor("c", weights(4)), ints("s", -1, 1, 1)])
    good("unsorted", [node("Relu", "p", "y"), node("Conv", "x,w2", "p"), node("Identity", "w", "w2")], [tensor("w", weights(3, 4, 3, 3))], check=False,
         reference=make([node("Conv", "x,w", "p"), node("Relu", "p", "y")], [tensor("w", weights(3, 4, 3, 3))], (1, 4, 6, 6)))
    good("batch_one", [node("Relu", "x", "r"), node("Reshape", "r,s", "y")], [ints("s", 1, 144)], batch=1)
    w = weights(3, 4, 3, 3)
    plain = [node("Conv", "x,w", "y")]
    for name, value in (("double", w.astype(np.float64)), ("float16", w.astype(np.float16))):
        good(f"weights_{name}", plain, [tensor("w", value)], check=False,
             reference=make(plain, [tensor("w", value.astype(np.float32))], (1, 4, 6, 6)))
    half = helper.make_tensor("w", TensorProto.FLOAT16, w.shape, w.ravel().tolist())
    good("weights_float16_typed", plain, [half], check=False, reference=make(plain, [tensor("w", w.astype(np.float16).astype(np.float32))], (1, 4, 6, 6)))
    cut = (w.view(np.uint32) >> 16).astype(np.uint16)
    brain = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=w.shape, raw_data=cut.tobytes())
    good("weights_bfloat16", plain, [brain], check=False,
         reference=make(plain, [tensor("w", (cut.astype(np.uint32) << 16).view(np.float32))], (1, 4, 6, 6)))
    good("weights_float_data", plain, [helper.make_tensor("w", TensorProto.FLOAT, w.shape, w.ravel().tolist())])


def external():
    w, b = weights(3, 4, 3, 3), weights(3, seed=2)
    (FOLDER / "external.data").write_bytes(b"\0" * 16 + w.tobytes() + b.tobytes())
    plain = [node("Conv", "x,w,b", "y")]

    def moved(array, name, offset, length=None, location="external.data"):
        t = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape, data_location=TensorProto.EXTERNAL)
        entries = {"location": location, "offset": str(offset)}
        if length is not None:
            entries["length"] = str(length)
        for key, value in entries.items():
            t.external_data.add(key=key, value=value)
        return t

    reference = make(plain, [tensor("w", w), tensor("b", b)], (1, 4, 6, 6))
    good("external", plain, [moved(w, "w", 16, w.nbytes), moved(b, "b", 16 + w.nbytes)], check=False, reference=reference)
    for name, status, text, t in (
            ("missing", "NOTFOUND", "no.data", moved(w, "w", 0, location="no.data")),
            ("short", "FORMAT", "external.data", moved(w, "w", 40)),
            ("far", "FORMAT", "external.data", moved(w, "w", 2**62)),
            ("length", "FORMAT", "length", moved(w, "w", 0, 8)),
            ("negative", "FORMAT", "offset", moved(w, "w", -4)),
            ("above", "FORMAT", "outside", moved(w, "w", 0, location="../make_onnx.py")),
            ("absolute", "FORMAT", "outside", moved(w, "w", 0, location="/dev/zero")),
            ("folder", "FORMAT", "tensor w", moved(w, "w", 0, location=".")),
            ("nowhere", "FORMAT", "location", moved(w, "w", 0, location=""))):
        bad(f"external_{name}", status, text, plain, [t, tensor("b", b)])


def wide():
    """Weights larger than what a small file may compute, in a file that the test makes: zeros."""
    t = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4200, 4200], data_location=TensorProto.EXTERNAL)
    t.external_data.add(key="location", value="wide.data")
    save("external_wide", make([node("Gemm", "x,w", "y")], [t], (1, 4200)))


def operator_sets():
    init = [tensor("w", weights(4, 3, 3, 3)), tensor("b", weights(4, seed=2)), tensor("f", weights(5, 36, seed=3)), tensor("g", weights(5, seed=4))]
    for opset in range(7, 22):
        good(f"opset_{opset}", [node("Conv", "x,w,b", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
                                node("MaxPool", "r", "m", kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", "m", "l"),
                                node("Gemm", "l,f,g", "z", transB=1), node("Softmax", "z", "y", axis=1)], init, shape=(1, 3, 6, 6), opset=opset)


def quantized():
    rng = np.random.default_rng(5)
    q = rng.integers(-8, 8, (6, 4, 3, 3)).astype(np.int8)
    rows, zeros = (rng.random(6) * 0.1 + 0.01).astype(np.float32), rng.integers(-3, 4, 6).astype(np.int8)
    pair = lambda i, s, z, name: [node("QuantizeLinear", f"{i},{s},{z}", f"{name}q"), node("DequantizeLinear", f"{name}q,{s},{z}", name)]
    conv = lambda axis=0: [node("DequantizeLinear", "wq,ws,wz", "w", axis=axis), node("Conv", "d,w,b", "y")]
    act = [scalar("s", 0.02), tensor("z", np.uint8(128))]
    init = [tensor("wq", q), tensor("ws", rows), tensor("wz", zeros), tensor("b", weights(6))]
    good("quantized_rows", pair("x", "s", "z", "d") + conv(), init + act)
    good("quantized_tensor", pair("x", "s", "z", "d") + [node("DequantizeLinear", "wq,ws", "w"), node("Conv", "d,w,b", "y")],
         [tensor("wq", q), scalar("ws", 0.03), tensor("b", weights(6))] + act)
    good("quantized_signed", pair("x", "s", "z", "d") + conv(), init + [scalar("s", 0.02), tensor("z", np.int8(-5))])
    good("quantized_unsigned_weights", pair("x", "s", "z", "d") + conv(),
         [tensor("wq", (q.astype(int) + 128).astype(np.uint8)), tensor("ws", rows), tensor("wz", (zeros.astype(int) + 128).astype(np.uint8)), init[3]] + act)
    good("quantized_integer_bias", pair("x", "s", "z", "d") + [node("DequantizeLinear", "bq,bs", "b", axis=0)] + conv(),
         init[:3] + [tensor("bq", rng.integers(-500, 500, 6).astype(np.int32)), tensor("bs", (rows * np.float32(0.02)).astype(np.float32))] + act)
    good("quantized_clip", [node("Clip", "x,lo,hi", "c")] + pair("c", "s", "z", "d") + conv(),
         init + [scalar("s", 0.1), tensor("z", np.uint8(7)), scalar("lo", np.float32(0.1) * np.float32(-7)), scalar("hi", np.float32(0.1) * np.float32(8))])
    good("quantized_shared", pair("x", "s", "z", "d") + conv() [:1] + [node("Conv", "d,w,b", "p"), node("Conv", "d,w", "r"), node("Add", "p,r", "y")], init + act)
    good("quantized_all_edges", pair("x", "s", "z", "d") + [node("MaxPool", "d", "m", kernel_shape=[2, 2])] + pair("m", "s", "z", "e") +
         [node("DequantizeLinear", "wq,ws,wz", "w", axis=0), node("Conv", "e,w,b", "y")], init + act)
    good("quantized_matmul", pair("x", "s", "z", "d") + [node("DequantizeLinear", "wq,ws,wz", "w", axis=1), node("MatMul", "d,w", "y")],
         [tensor("wq", rng.integers(-128, 128, (5, 3)).astype(np.int8)), tensor("ws", rows[:3]), tensor("wz", zeros[:3])] + act, shape=(1, 2, 5))
    good("quantized_levels_21", [node("QuantizeLinear", "x,s", "xq", output_dtype=TensorProto.INT8), node("DequantizeLinear", "xq,s", "d")] + conv(),
         init + act[:1], opset=21)
    good("quantized_behind_identity", [node("Identity", "x", "i")] + pair("i", "s", "z", "d") + [node("Dropout", "d", "e")] +
         [node("DequantizeLinear", "wq,ws,wz", "w", axis=0), node("Conv", "e,w,b", "y")], init + act)
    norm = [tensor(name, value) for name, value in (("g", weights(4)), ("v", abs(weights(4)) + 1))]
    bad("quantized_beside_norm", "UNSUPPORTED", "without it", pair("x", "s", "z", "d") + [node("Conv", "d,b4", "p"), node("BatchNormalization", "x,g,g,g,v", "r"),
        node("Add", "p,r", "y")], act + norm + [tensor("b4", weights(4, 4, 1, 1))])
    bad("quantized_no_pair", "UNSUPPORTED", "without DequantizeLinear", [node("QuantizeLinear", "x,s,z", "q"), node("Relu", "q", "y")], act)
    bad("quantized_other_scale", "UNSUPPORTED", "differ", [node("QuantizeLinear", "x,s,z", "q"), node("DequantizeLinear", "q,t,z", "d")] + conv(),
        init + act + [scalar("t", 0.03)])
    bad("quantized_both_ways", "UNSUPPORTED", "without it", pair("x", "s", "z", "d") + [node("Conv", "d,b4", "p"), node("Conv", "x,b4", "r"), node("Add", "p,r", "y")],
        act + [tensor("b4", weights(4, 4, 1, 1))])
    bad("quantized_two_scales", "UNSUPPORTED", "two different", pair("x", "s", "z", "d") + pair("x", "t", "z", "e") +
        [node("Conv", "d,b4", "p"), node("Conv", "e,b4", "r"), node("Add", "p,r", "y")], act + [scalar("t", 0.5), tensor("b4", weights(4, 4, 1, 1))])
    bad("quantized_scale_zero", "VALUE", "scale", pair("x", "s", "z", "d") + conv(), init + [scalar("s", 0), act[1]])
    bad("quantized_scale_negative", "VALUE", "scale", conv()[:1] + [node("Conv", "x,w,b", "y")],
        [init[0], tensor("ws", -rows), init[2], init[3]])
    bad("quantized_scales_count", "SHAPE", "scales", conv()[:1] + [node("Conv", "x,w,b", "y")], [init[0], tensor("ws", rows[:5]), tensor("wz", zeros[:5]), init[3]])
    bad("quantized_output", "UNSUPPORTED", "is quantized", pair("x", "s", "z", "y"), act)


def refused():
    w = tensor("w", weights(6, 4, 3, 3))
    conv = lambda **a: [node("Conv", "x,w", "y", **a)]
    bad("operator_unknown", "UNSUPPORTED", "operator Cos (supported: Conv Gemm", [node("Cos", "x", "y")])
    bad("operator_domain", "UNSUPPORTED", "com.microsoft", [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")])
    bad("operator_domain_known_name", "UNSUPPORTED", "other.Relu", [helper.make_node("Relu", ["x"], ["y"], domain="other")])
    bad("floor_of_activation", "UNSUPPORTED", "constants only", [node("Floor", "x", "y")])
    bad("gather_of_activation", "UNSUPPORTED", "several places", [node("Gather", "x,i", "y", axis=1)], [ints("i", 0)])
    bad("gather_batch", "UNSUPPORTED", "one of the images", [node("Gather", "x,i", "y")], [tensor("i", np.int64(0))])
    bad("gather_outside", "SHAPE", "index 4 of 4", [node("Gather", "x,i", "y", axis=1)], [tensor("i", np.int64(4))])
    bad("max_pool_indices", "UNSUPPORTED", "first output", [node("MaxPool", "x", "p,i", kernel_shape=[2, 2]), node("Add", "p,i", "y")])
    bad("dropout_mask", "UNSUPPORTED", "first output", [node("Dropout", "x", "p,y")])
    bad("dropout_training", "UNSUPPORTED", "training_mode", [node("Dropout", "x,,t", "y")], [tensor("t", np.array(True))])
    bad("pad_reflect", "UNSUPPORTED", "reflect", [node("Pad", "x,p", "y", mode="reflect")], [ints("p", *[0, 0, 1, 1] * 2)])
    bad("pad_negative", "UNSUPPORTED", "pads -1", [node("Pad", "x,p", "y")], [ints("p", 0, 0, -1, 0, 0, 0, 0, 0)])
    bad("pad_batch", "UNSUPPORTED", "batch", [node("Pad", "x,p", "y")], [ints("p", 1, 0, 0, 0, 0, 0, 0, 0)])
    bad("slice_backwards", "UNSUPPORTED", "step -1", [node("Slice", "x,s,e,a,t", "y")], [ints("s", -1), ints("e", -9), ints("a", 1), ints("t", -1)])
    bad("slice_batch", "UNSUPPORTED", "batch", [node("Slice", "x,s,e,a", "y")], [ints("s", 0), ints("e", 1), ints("a", 0)])
    bad("slice_axis_twice", "FORMAT", "twice", [node("Slice", "x,s,e,a", "y")], [ints("s", 0, 0), ints("e", 1, 1), ints("a", 1, -3)])
    bad("slice_counts", "FORMAT", "ends", [node("Slice", "x,s,e", "y")], [ints("s", 0, 0), ints("e", 1)])
    bad("squeeze_no_axes", "UNSUPPORTED", "without axes", [node("GlobalAveragePool", "x", "g"), node("Squeeze", "g", "y")])
    bad("squeeze_batch", "UNSUPPORTED", "batch", [node("Squeeze", "x,a", "y")], [ints("a", 0)])
    bad("unsqueeze_batch", "UNSUPPORTED", "batch", [node("Unsqueeze", "x,a", "y")], [ints("a", 0)])
    bad("flatten_all", "UNSUPPORTED", "batch", [node("Flatten", "x", "y", axis=0)])
    bad("reduce_mean_all", "UNSUPPORTED", "batch", [node("ReduceMean", "x", "y")])
    bad("transpose_batch", "UNSUPPORTED", "batch", [node("Transpose", "x", "y")])
    bad("reshape_batch", "UNSUPPORTED", "batch", [node("Reshape", "x,s", "y")], [ints("s", 4, 36)])
    bad("reshape_count", "SHAPE", "Reshape", [node("Reshape", "x,s", "y")], [ints("s", 0, 7)])
    bad("reshape_activation", "UNSUPPORTED", "must be a constant", [node("Reshape", "x,x", "y")])
    bad("reshape_float", "FORMAT", "int64", [node("Reshape", "x,s", "y")], [tensor("s", np.float32([0, -1]))])
    bad("softmax_old_many", "UNSUPPORTED", "all axes", [node("Softmax", "x", "y")], opset=12)
    bad("add_other_rank", "UNSUPPORTED", "batch", [node("ReduceMean", "x", "m", axes=[2, 3], keepdims=0), node("Add", "x,m", "y")], shape=(1, 4, 1, 4))
    bad("add_wide_constant", "UNSUPPORTED", "batch", [node("Add", "x,c", "y")], [tensor("c", weights(1, 1, 4, 6, 6))])
    bad("add_integers", "UNSUPPORTED", "int64", [node("Add", "x,c", "y")], [ints("c", 1)])
    bad("concat_batch", "UNSUPPORTED", "batch", [node("Concat", "x,x", "y", axis=0)])
    bad("concat_constant", "UNSUPPORTED", "is a constant", [node("Concat", "x,c", "y", axis=1)], [tensor("c", weights(1, 4, 6, 6))])
    bad("matmul_activations", "UNSUPPORTED", "must be a constant", [node("MatMul", "x,x", "y")])
    bad("gemm_trans_a", "UNSUPPORTED", "transA", [node("Gemm", "x,w", "y", transA=1)], [tensor("w", weights(4, 3))], shape=(1, 4))
    bad("gemm_rank", "SHAPE", "dimensions", [node("Gemm", "x,w", "y")], [tensor("w", weights(4, 3))])
    bad("gemm_bias_count", "SHAPE", "bias", [node("Gemm", "x,w,b", "y")], [tensor("w", weights(4, 3)), tensor("b", weights(2))], shape=(1, 4))
    bad("relu_of_constant", "UNSUPPORTED", "is a constant", [node("Relu", "c", "r"), node("Add", "x,r", "y")], [scalar("c", 1)])
    bad("conv_channels", "SHAPE", "Conv", [node("Conv", "x,w", "y")], [tensor("w", weights(6, 3, 3, 3))])
    bad("conv_one_dimension", "UNSUPPORTED", "two-dimensional", [node("Conv", "x,w", "y")], [tensor("w", weights(6, 4, 3))], shape=(1, 4, 6))
    bad("conv_kernel_shape", "SHAPE", "kernel_shape", conv(kernel_shape=[5, 5]), [w])
    bad("conv_too_large", "SHAPE", "does not fit", conv(), [w], shape=(1, 4, 2, 2))
    bad("conv_negative_pad", "UNSUPPORTED", "pad -1", conv(pads=[-1, 0, 0, 0]), [w])
    bad("conv_stride_zero", "FORMAT", "strides", conv(strides=[0, 1]), [w])
    bad("conv_huge_pads", "SHAPE", "Conv gives", conv(pads=[2**30, 2**30, 2**30, 2**30]), [w])
    bad("conv_auto_pad", "FORMAT", "auto_pad", conv(auto_pad="SOME"), [w])
    bad("conv_group_type", "FORMAT", "group", conv(group=1.5), [w])
    bad("conv_no_weights", "FORMAT", "missing", [node("Conv", "x", "y")])
    bad("conv_integer_weights", "UNSUPPORTED", "int8", conv(), [tensor("w", np.ones((6, 4, 3, 3), np.int8))])
    bad("max_pool_dilation", "UNSUPPORTED", "dilations", [node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])])
    bad("max_pool_no_kernel", "FORMAT", "kernel_shape", [node("MaxPool", "x", "y")])
    bad("batch_norm_training", "UNSUPPORTED", "training_mode", [node("BatchNormalization", "x,s,s,s,s", "y", training_mode=1)], [tensor("s", weights(4))], opset=14)
    bad("clip_nan", "VALUE", "not a number", [node("Clip", "x,a", "y")], [scalar("a", np.nan)])
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        array = weights(6, 4, 3, 3)
        array[2, 1, 0, 2] = value
        bad(f"weights_{name}", "VALUE", "w", conv(), [tensor("w", array)])
    bad("weights_double_overflow", "VALUE", "w", conv(), [tensor("w", np.full((6, 4, 3, 3), 1e300))])


def broken():
    w = tensor("w", weights(6, 4, 3, 3))
    conv, relu = [node("Conv", "x,w", "y")], [node("Relu", "x", "y")]
    bad("cycle", "FORMAT", "cycle", [node("Add", "x,b", "a"), node("Relu", "a", "b"), node("Relu", "b", "y")])
    bad("cycle_self", "FORMAT", "cycle", [node("Add", "x,y", "y")])
    bad("cycle_dead", "FORMAT", "cycle", relu + [node("Relu", "q", "p"), node("Relu", "p", "q")])
    bad("made_twice", "FORMAT", "more than once", relu + [node("Tanh", "x", "y")])
    bad("made_and_input", "FORMAT", "more than once", [node("Relu", "x", "x"), node("Relu", "x", "y")])
    bad("read_nothing", "FORMAT", "which nothing makes", [node("Relu", "z", "y")])
    bad("output_nothing", "FORMAT", "made by no node", [node("Relu", "x", "z")])
    bad("output_constant", "UNSUPPORTED", "is a constant", relu, [scalar("c", 1)], out="y,c")
    bad("output_is_input", "UNSUPPORTED", "is its input", [node("Transpose", "w", "t")], [w], out="x")
    bad("output_missing", "FORMAT", "no output", relu, change=lambda m: m.graph.ClearField("output"))
    bad("input_missing", "UNSUPPORTED", "is a constant", [node("Constant", "", "y", value_float=1.0)], inputs=[])
    bad("input_unknown_rank", "SHAPE", "not given", relu, change=lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"))
    bad("input_dynamic_size", "SHAPE", "not fixed", relu, shape=(1, 4, "H", "W"))
    bad("input_zero", "SHAPE", "dimension 2 is 0", relu, shape=(1, 4, 0, 6))
    bad("input_negative", "SHAPE", "dimension 2 is -3", relu, shape=(1, 4, -3, 6))
    bad("input_huge", "SHAPE", "too large", relu, shape=(1, 2**30, 2**30, 2**30))
    bad("input_batch_8", "SHAPE", "batch", relu, batch=8)
    bad("input_integers", "UNSUPPORTED", "data type 7", relu, inputs=[helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 4])])
    bad("input_rank_7", "UNSUPPORTED", "dimensions", relu, shape=(1, 1, 1, 1, 1, 1, 1))
    bad("graph_missing", "FORMAT", "no graph", relu, change=lambda m: m.ClearField("graph"))
    bad("graph_empty", "FORMAT", "output y", [])
    bad("ir_2", "UNSUPPORTED", "IR version 2", relu, ir=2)
    bad("ir_11", "UNSUPPORTED", "IR version 11", relu, ir=11)
    bad("opset_6", "UNSUPPORTED", "operator set 6", relu, opset=6)
    bad("opset_22", "UNSUPPORTED", "operator set 22", relu, opset=22, ir=10)
    bad("opset_missing", "UNSUPPORTED", "operator set 0", relu, change=lambda m: m.ClearField("opset_import"))

    def dims(*value):
        def change(m):
            del m.graph.initializer[0].dims[:]
            m.graph.initializer[0].dims.extend(value)
        return change
    bad("weights_short", "FORMAT", "tensor w: shape", conv, [w], change=dims(6, 4, 3, 4))
    bad("weights_long", "FORMAT", "tensor w: shape", conv, [w], change=dims(6, 4, 3, 2))
    bad("weights_zero", "SHAPE", "tensor w: dimension 1", conv, [w], change=dims(6, 0, 3, 3))
    bad("weights_negative", "SHAPE", "tensor w: dimension 0", conv, [w], change=dims(-6, 4, 3, 3))
    bad("weights_huge", "FORMAT", "tensor w: shape", conv, [w], change=dims(2**62, 2**62, 3, 3))
    bad("weights_rank_7", "UNSUPPORTED", "7 dimensions", conv, [w], change=dims(6, 4, 3, 3, 1, 1, 1))
    bad("weights_string", "UNSUPPORTED", "data type 8", conv, [w], change=lambda m: setattr(m.graph.initializer[0], "data_type", 8))
    bad("weights_no_name", "FORMAT", "no name", conv, [w], change=lambda m: m.graph.initializer[0].ClearField("name"))
    bad("weights_twice", "FORMAT", "two initializers", conv, [w, w])
    narrow = helper.make_tensor("c", TensorProto.INT8, [1], [5])
    narrow.int32_data[0] = 1000
    bad("levels_range", "FORMAT", "outside its type", [node("DequantizeLinear", "c,s", "d"), node("Add", "x,d", "y")], [narrow, scalar("s", 1)])
    bad("constant_of_shape_huge", "SHAPE", "too much memory", [node("ConstantOfShape", "s", "c"), node("Add", "x,c", "y")], [ints("s", 2**40, 2**20)])
    bad("constant_of_shape_negative", "SHAPE", "dimension 0", [node("ConstantOfShape", "s", "c"), node("Add", "x,c", "y")], [ints("s", -5)])
    bad("constant_no_value", "UNSUPPORTED", "no value", [node("Constant", "", "c"), node("Add", "x,c", "y")])
    bad("constant_text", "UNSUPPORTED", "no value", [node("Constant", "", "c", value_string="a"), node("Add", "x,c", "y")])
    bad("constant_overflow", "VALUE", "overflow", [node("Mul", "a,a", "c"), node("Reshape", "x,c", "y")], [ints("a", 2**62)])
    bad("constant_division", "VALUE", "divided by 0", [node("Div", "a,z", "c"), node("Reshape", "x,c", "y")], [ints("a", 1), ints("z", 0)])
    bad("constant_index", "SHAPE", "index 9", [node("Gather", "a,i", "c"), node("Reshape", "x,c", "y")], [ints("a", 1), ints("i", 9)])
    bad("node_no_type", "FORMAT", "no operator type", [node("", "x", "y")])
    bad("node_no_output", "FORMAT", "no output", relu + [node("Relu", "x", "")])
    bad("node_no_input", "FORMAT", "missing", [node("Relu", "", "y")])
    bad("node_empty_input", "FORMAT", "missing", [node("Relu", ",x", "y")])
    bad("axis_range", "SHAPE", "axis", [node("Concat", "x,x", "y", axis=4)])
    bad("axis_huge", "SHAPE", "axis", [node("Softmax", "x", "y", axis=2**40)])


def gelu_nodes(x, y, order=0):
    """The chain that exporters write for Gelu, in three orders."""
    tail = [
        [node("Mul", f"{x},{y}_s", f"{y}_p"), node("Mul", f"{y}_p,half", y)],
        [node("Mul", f"half,{x}", f"{y}_p"), node("Mul", f"{y}_p,{y}_s", y)],
        [node("Mul", f"{y}_s,half", f"{y}_p"), node("Mul", f"{x},{y}_p", y)],
    ]
    return [node("Div", f"{x},root", f"{y}_d"), node("Erf", f"{y}_d", f"{y}_e"), node("Add", f"{y}_e,one", f"{y}_s")] + tail[order]


def gelu_inits():
    return [scalar("root", np.sqrt(2)), scalar("half", 0.5), scalar("one", 1)]


def activations():
    good("hard_sigmoid", [node("HardSigmoid", "x", "y")])
    good("hard_sigmoid_wide", [node("HardSigmoid", "x", "y", alpha=1 / 6, beta=0.25)])
    good("hard_swish", [node("HardSwish", "x", "y")], opset=14)
    good("hard_swish_written", [node("HardSigmoid", "x", "g", alpha=1 / 6), node("Mul", "x,g", "y")])
    good("hard_swish_other", [node("HardSigmoid", "x", "g", alpha=0.2), node("Mul", "g,x", "y")])
    good("silu", [node("Sigmoid", "x", "g"), node("Mul", "x,g", "y")])
    good("silu_turned", [node("Sigmoid", "x", "g"), node("Mul", "g,x", "y")])
    good("silu_gate_read_twice", [node("Sigmoid", "x", "g"), node("Mul", "g,x", "p"), node("Add", "p,g", "y")])
    good("gelu", [node("Gelu", "x", "y")], opset=20)
    for order in range(3):
        good(f"gelu_written_{order}", gelu_nodes("x", "y", order), gelu_inits())
    good("gelu_almost", gelu_nodes("x", "y"), [scalar("root", 1.5), scalar("half", 0.5), scalar("one", 1)])
    good("erf", [node("Erf", "x", "y")])
    good("sqrt", [node("Sigmoid", "x", "s"), node("Sqrt", "s", "y")])
    good("pow_square", [node("Pow", "x,e", "y")], [scalar("e", 2)])
    good("div_activations", [node("Sigmoid", "x", "s"), node("Div", "x,s", "y")])
    good("div_constant", [node("Div", "x,c", "y")], [scalar("c", 3)])
    good("div_constant_first", [node("Sigmoid", "x", "s"), node("Div", "c,s", "y")], [tensor("c", weights(4, 1, 1))])
    bad("gelu_tanh", "UNSUPPORTED", 'only "none"', [node("Gelu", "x", "y", approximate="tanh")], opset=20)
    bad("pow_cube", "UNSUPPORTED", "exponent other", [node("Pow", "x,e", "y")], [scalar("e", 3)])


def normalisation():
    line = [tensor("s", weights(6, seed=3)), tensor("b", weights(6, seed=4))]
    norm = [node("LayerNormalization", "x,s,b", "y", axis=-1)]
    good("layer_norm", norm, line, opset=17)
    good("layer_norm_no_bias", [node("LayerNormalization", "x,s", "y", axis=3, epsilon=0.01)], line[:1], opset=17)
    good("layer_norm_rank_2", norm, line, shape=(1, 6), opset=17)
    written = [node("ReduceMean", "x", "m", axes=[-1]), node("Sub", "x,m", "d"), node("Pow", "d,two", "q"), node("ReduceMean", "q", "v", axes=[-1]),
               node("Add", "v,tiny", "a"), node("Sqrt", "a", "r"), node("Div", "d,r", "n"), node("Mul", "n,s", "p"), node("Add", "p,b", "y")]
    good("layer_norm_written", written, line + [scalar("two", 2), scalar("tiny", 1e-6)])
    there, back = (0, 2, 3, 1), (0, 3, 1, 2)
    channels = [tensor("s", weights(4, seed=3)), tensor("b", weights(4, seed=4))]
    turned = [node("Transpose", "x", "t", perm=there), node("LayerNormalization", "t,s,b", "n"), node("Transpose", "n", "y", perm=back)]
    good("layer_norm_channels", turned[:2] + [node("Transpose", "n", "o", perm=back), node("Relu", "o", "y")], channels, opset=17)
    good("layer_norm_channels_output", turned, channels, opset=17)
    block = turned[:2] + [node("MatMul", "n,w1", "m1"), node("Add", "c1,m1", "a1")] + gelu_nodes("a1", "g") + [
        node("MatMul", "g,w2", "m2"), node("Mul", "m2,last", "l2"), node("Transpose", "l2", "o", perm=back), node("Mul", "o,scale", "l"), node("Add", "l,x", "y")]
    more = [tensor("w1", weights(4, 8)), tensor("c1", weights(8)), tensor("w2", weights(8, 4)), tensor("scale", weights(4, 1, 1)), tensor("last", weights(4, seed=6))]
    good("channels_last_block", block, channels + more + gelu_inits(), opset=17)
    good("channels_last_read_twice", turned[:1] + [node("Relu", "t", "r"), node("Transpose", "r", "a", perm=back), node("Transpose", "t", "c", perm=back), node("Add", "a,c", "y")])
    good("conv_factor", [node("Conv", "x,w,c", "p"), node("Mul", "f,p", "y")], [tensor("w", weights(5, 4, 3, 3)), tensor("c", weights(5)), tensor("f", weights(1, 5, 1, 1))])
    good("conv_factor_along_width", [node("Conv", "x,w", "p"), node("Mul", "f,p", "y")], [tensor("w", weights(4, 4, 3, 3)), tensor("f", weights(4))])
    bad("layer_norm_two_axes", "UNSUPPORTED", "only the last", [node("LayerNormalization", "x,s", "y", axis=2)], [tensor("s", weights(6, 6))], opset=17)


def parts():
    add = [node("Relu", "a", "p"), node("Concat", "b,p", "y", axis=1)]
    good("split", [node("Split", "x,s", "a,b", axis=1)] + add, [ints("s", 1, 3)])
    good("split_attribute", [node("Split", "x", "a,b", axis=1, split=[3, 1])] + add, opset=11)
    good("split_equal", [node("Split", "x", "a,b", axis=-3)] + add)
    good("split_number", [node("Split", "x", "a,b,c", axis=2, num_outputs=3), node("Add", "a,b", "y")], shape=(1, 2, 6, 4), opset=18)
    good("split_unused", [node("Split", "x", "a,c,b", axis=1, num_outputs=3)] + add, shape=(1, 7, 4, 4), opset=18)
    strided = [node("Reshape", "x,all", "f"), node("Shape", "x", "sh", end=1), node("Squeeze", "sh", "n"), node("Range", "zero,n,one", "r"), node("Mul", "r,many", "m"),
               node("Unsqueeze", "m,ax", "u"), node("Add", "u,inner", "i"), node("Gather", "f,i", "y")]
    inits = [ints("all", -1), tensor("zero", np.int64(0)), tensor("one", np.int64(1)), ints("many", 24), ints("ax", 1, 2), tensor("inner", np.arange(24, dtype=np.int64).reshape(1, 6, 4))]
    good("as_strided", strided, inits, shape=(1, 4, 3, 2), opset=18)
    good("chain_range", [node("Range", "a,b,c", "t"), node("Reshape", "x,t", "y")], [tensor("a", np.int64(1)), tensor("b", np.int64(9)), tensor("c", np.int64(3))], shape=(1, 7, 4), batch=1)
    good("gather_one", [node("Gather", "x,i", "g", axis=1), node("Gather", "x,j", "h", axis=-1), node("Unsqueeze", "g,ax", "u"), node("Concat", "u,x", "y", axis=1)],
         [tensor("i", np.int64(2)), tensor("j", np.int64(-1)), ints("ax", 1)], check=False)
    good("gather_row", [node("Gather", "x,i", "y", axis=2)], [tensor("i", np.int64(-2))])
    bad("as_strided_order", "UNSUPPORTED", "another order", strided, inits[:-1] + [tensor("inner", np.arange(24, dtype=np.int64)[::-1].reshape(1, 6, 4).copy())], shape=(1, 4, 3, 2), opset=18)
    bad("as_strided_part", "UNSUPPORTED", "a part", strided, inits[:-1] + [tensor("inner", np.arange(12, dtype=np.int64).reshape(1, 6, 2))], shape=(1, 4, 3, 2), opset=18)
    bad("split_batch", "UNSUPPORTED", "of the batch", [node("Split", "x", "a,b", axis=0)] + add)
    bad("split_sum", "SHAPE", "parts of 5", [node("Split", "x,s", "a,b", axis=1)] + add, [ints("s", 2, 3)])
    bad("split_count", "FORMAT", "1 parts", [node("Split", "x,s", "a,b", axis=1)] + add, [ints("s", 4)])
    bad("range_step", "VALUE", "step of 0", [node("Range", "a,a,a", "t"), node("Reshape", "x,t", "y")], [tensor("a", np.int64(0))])


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for part in (windows, linear, pointwise, shapes, constants, external, wide, operator_sets, quantized, refused, broken, activations, normalisation, parts):
        part()
    (FOLDER / "cases.txt").write_text("".join(line + "\n" for line in sorted(table)))
    print(len(table), "cases", sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes", file=sys.stderr)


main()
